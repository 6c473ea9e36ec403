// How large a terminal is. A serial console, `docker exec -t`, expect and Emacs say 0 by 0, which means that they do not know.
// Pure.

type Sized = { columns?: number | undefined; rows?: number | undefined };

/** At least 1; 80 where the terminal does not say. */
export const columnsOf = ({ columns }: Sized): number => knownSize(columns) ?? 80;
/** At least 1; 24 where the terminal does not say. */
export const rowsOf = ({ rows }: Sized): number => knownSize(rows) ?? 24;

const knownSize = (size: number | undefined): number | undefined =>
  size !== undefined && Number.isInteger(size) && size > 0 ? size : undefined;

/** How much of a line is drawn: in the last column some terminals begin the next line at once. */
export const drawableColumns = (terminal: Sized): number => Math.max(1, columnsOf(terminal) - 1);
