/** A path or name as a POSIX shell takes it for one word, for a command that people are told to type. */
export const shellWord = (word: string): string =>
  /^[\w@%+=:,./][\w@%+=:,./-]*$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
