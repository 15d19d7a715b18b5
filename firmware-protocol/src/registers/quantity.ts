/** What a counter counts (PROTOCOL, section Frame). 6 and 7 only shape a coarse counter and are never booked. */
export const Quantity = {
  gridImport: 1,
  gridExport: 2,
  generation: 3,
  storageCharge: 4,
  storageDischarge: 5,
  shapingImport: 6,
  shapingExport: 7,
} as const;
export type Quantity = (typeof Quantity)[keyof typeof Quantity];
