/** COMMONWATT_LONG=1: the long form of a story, for a soak; else the one that fits between two cups of tea. */
export const isLongRun = process.env.COMMONWATT_LONG === '1';
