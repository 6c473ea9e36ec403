// The user name and password in a URL, as people type them: special characters as they are, or as %xx.
// Pure.

export type Login = { username: string; password: string };

/** `me:secret@host` -> the login and `host`. The last @ ends the login: passwords may contain @, hosts cannot. */
export function splitLogin(authority: string): { login?: Login; host: string } {
  const end = authority.lastIndexOf("@");
  if (end < 0) return { host: authority };
  const [username = "", password = ""] = authority.slice(0, end).split(/:(.*)/s);
  return {
    login: { username: decodePercent(username), password: decodePercent(password) },
    host: authority.slice(end + 1),
  };
}

/** RFC 3986 2.1, but a % that begins no UTF-8 character stays as it is: `50%off` means itself. */
export function decodePercent(text: string): string {
  return text.replaceAll(/(?:%[0-9a-f]{2})+/gi, (codes) => {
    try {
      return decodeURIComponent(codes);
    } catch {
      return codes;
    }
  });
}
