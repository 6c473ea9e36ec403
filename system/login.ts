// The user name and the password in an address, as people type them: with special characters as they are, or as %xx.
// Pure.

export type Login = { username: string; password: string };

/** `me:secret@host` -> the login and `host`. The last @ ends the login: passwords have some, hosts have none. */
export function splitLogin(authority: string): { login?: Login; host: string } {
  const end = authority.lastIndexOf("@");
  if (end < 0) return { host: authority };
  const [username = "", password = ""] = authority.slice(0, end).split(/:(.*)/s);
  return {
    login: { username: decodePercent(username), password: decodePercent(password) },
    host: authority.slice(end + 1),
  };
}

/** RFC 3986 2.1, as far as it goes: a % that begins no character in UTF-8 stands for itself, as whoever types `50%off` means it. */
export function decodePercent(text: string): string {
  return text.replaceAll(/(?:%[0-9a-f]{2})+/gi, (codes) => {
    try {
      return decodeURIComponent(codes);
    } catch {
      return codes;
    }
  });
}
