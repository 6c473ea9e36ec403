// The size of a terminal. A serial console, `docker exec -t`, expect and Emacs report 0 by 0 when they do not know.
// Pure.

type Sized = { columns?: number | undefined; rows?: number | undefined };

/** At least 1; 80 if unknown. */
export const columnsOf = ({ columns }: Sized): number => knownSize(columns) ?? 80;
/** At least 1; 24 if unknown. */
export const rowsOf = ({ rows }: Sized): number => knownSize(rows) ?? 24;

const knownSize = (size: number | undefined): number | undefined =>
  size !== undefined && Number.isInteger(size) && size > 0 ? size : undefined;

/** The columns to draw in: some terminals wrap as soon as the last one is used. */
export const drawableColumns = (terminal: Sized): number => Math.max(1, columnsOf(terminal) - 1);
