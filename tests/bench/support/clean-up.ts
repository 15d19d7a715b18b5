/** What has to be undone when the bench is told to stop in the middle: processes first, then folders. */
const undone = new Set<() => void>();

/** Registers what undoes something; the result takes it back once it was undone in order. */
export function onInterrupt(undo: () => void): () => void {
  undone.add(undo);
  return () => undone.delete(undo);
}

/** Ends the process by 128 and the number of the signal, as shells expect, after everything was undone. */
export function endInOrder(): void {
  const signals = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
  for (const [signal, number] of Object.entries(signals)) {
    process.once(signal, () => {
      for (const undo of [...undone].reverse()) undo();
      process.exit(128 + number);
    });
  }
}
