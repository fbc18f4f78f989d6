// Which steps of `npm run check:sdk` its words choose: images × boards, and what has no board.
//
// Promises: a board's name chooses that board alone, any other word the images whose names contain it; of images and boards together,
// each image on each board; IMAGE/BOARD that one step. A word that chooses nothing is an error that says what there is.

export interface Matrix {
  readonly images: readonly string[];
  readonly boards: readonly string[];
  /** Steps of no board. */
  readonly others: readonly string[];
}

/** Names of the chosen steps, each once, in the matrix's order; all of them where no word is given. */
export function chosenSteps(matrix: Matrix, words: readonly string[]): readonly string[] {
  const { images, boards, others } = matrix;
  const steps = [
    ...others.map((image) => ({ image, board: "" })),
    ...images.flatMap((image) => boards.map((board) => ({ image, board }))),
  ];
  const wanted = words.filter((word) => !word.includes("/") && !boards.includes(word));
  const on = words.filter((word) => boards.includes(word));
  const pairs = words.filter((word) => word.includes("/")).map((word) => word.split("/") as [string, string]);
  const named = (image: string, word: string): boolean =>
    [...others, ...images].includes(word) ? image === word : image.includes(word);
  for (const word of [...wanted, ...pairs.map(([image]) => image)])
    if (![...others, ...images].some((image) => named(image, word))) throw unknown(word, matrix);
  for (const [, board] of pairs) if (!boards.includes(board)) throw unknown(board, matrix);
  const chosen = steps.filter(({ image, board }) => {
    if (pairs.some(([word, of]) => of === board && named(image, word))) return true;
    if (wanted.length === 0 && (on.length === 0 || board === "")) return words.length === 0;
    const asked = wanted.length === 0 || wanted.some((word) => named(image, word));
    return asked && (board === "" || on.length === 0 || on.includes(board));
  });
  return chosen.map(({ image, board }) => (board === "" ? image : `${image}/${board}`));
}

function unknown(word: string, { images, boards, others }: Matrix): Error {
  return new Error(`no step ${word}; there are ${[...others, ...images].join(", ")}, on ${boards.join(", ")}`);
}
