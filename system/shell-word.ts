/** A path or name quoted as one word of a POSIX shell, for a command that we tell people to type. */
export const shellWord = (word: string): string =>
  /^[\w@%+=:,./][\w@%+=:,./-]*$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
