// How much the page of `chainmote start` keeps and takes, in one place: nothing of it grows with the time that the system runs.

/** The newest records that it shows, and those whose fate is still open. */
export const RECORDS_MAX = 200;
/** Messages on a records topic that the collector has not taken, yet or ever. */
export const UNSTORED_MAX = 1024;
export const HEADERS_MAX = 64;
/** Blocks whose time is kept, for the bounds of records. */
export const BLOCK_TIMES_MAX = 4096;
export const NOTES_MAX = 60;
/** Parts that are amiss at one time. */
export const TROUBLES_MAX = 24;
/** Values of one sensor of one board, and sensors of a board. */
export const POINTS_MAX = 300;
export const SERIES_PER_BOARD_MAX = 6;
export const RUNS_MAX = 8;
export const STEPS_PER_RUN_MAX = 40;
export const TEXT_CHARACTERS_MAX = 240;
/** Votes that are shown. */
export const VOTES_SHOWN_MAX = 48;
