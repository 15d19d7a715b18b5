/**
 * The n-th largest of the values, 1 <= n <= values.length; reorders them. Quickselect: expected linear time, and no
 * allocation. The pivot is the median of three, so that sorted and equal values are no bad case.
 */
export function nthLargest(values: Float64Array, n: number): number {
  const target = n - 1;
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const split = partitionDescending(values, low, high);
    if (target <= split) high = split;
    else low = split + 1;
  }
  return values[target]!;
}

/** Hoare's partition: afterwards nothing in low..split is smaller than anything in split + 1..high; low <= split < high. */
function partitionDescending(values: Float64Array, low: number, high: number): number {
  const pivot = medianOfThree(values[low]!, values[(low + high) >>> 1]!, values[high]!);
  let i = low - 1;
  let j = high + 1;
  for (;;) {
    do i++;
    while (values[i]! > pivot);
    do j--;
    while (values[j]! < pivot);
    if (i >= j) return j;
    const swapped = values[i]!;
    values[i] = values[j]!;
    values[j] = swapped;
  }
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
