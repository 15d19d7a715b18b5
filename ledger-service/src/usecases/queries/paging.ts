/** Lists come in pages: nothing a caller asks for is unbounded. */

/** Items of a page when the caller names no number, and the most it may name. */
export const DEFAULT_PAGE_ITEMS = 100;
export const MAX_PAGE_ITEMS = 1000;

export interface PageRequest {
  /** The cursor of the page before; absent for the first. */
  readonly after?: string;
  /** 1 to MAX_PAGE_ITEMS. */
  readonly limit: number;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  /** The cursor of the next page; absent on the last. */
  readonly next?: string;
}

/** One page of a list that is already in the order of its cursors, where every cursor stands once. */
export function pageOf<Item>(
  sorted: readonly Item[],
  request: PageRequest,
  order: { readonly cursorOf: (item: Item) => string; readonly compare: (a: string, b: string) => number },
): Page<Item> {
  const { after, limit } = request;
  const rest = after === undefined ? sorted : sorted.filter((item) => order.compare(order.cursorOf(item), after) > 0);
  return withCursor(rest.slice(0, limit), rest.length > limit, order.cursorOf);
}

/** A page out of what one read gave, where the read asked for one item more than the page holds. */
export function pageOfRead<Item>(read: readonly Item[], limit: number, cursorOf: (item: Item) => string): Page<Item> {
  return withCursor(read.slice(0, limit), read.length > limit, cursorOf);
}

function withCursor<Item>(items: readonly Item[], more: boolean, cursorOf: (item: Item) => string): Page<Item> {
  const last = items[items.length - 1];
  return more && last !== undefined ? { items, next: cursorOf(last) } : { items };
}
