/** Something is not as it has to be. The message is a sentence for whoever reads the soak's last line. */
export class SoakFailure extends Error {
  override readonly name = 'SoakFailure';
}

export function expectThat(holds: boolean, sentence: string): asserts holds {
  if (!holds) throw new SoakFailure(sentence);
}
