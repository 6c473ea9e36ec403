// Lines of sources.list as a program uses them: where a mirror is, and the password to it apart, so that it stands in
// no argv, log or key of a cache.

export type Source = {
  /** As for sources.list, without a password. */
  line: string;
  /** Ends in a slash. */
  url: string;
  suite: string;
  /** For apt_auth.conf(5), if the address had a user in it. */
  login?: string;
};

export function parseSource(text: string): Source {
  const [, head = "", address = "", suite = "", rest = ""] =
    /^(deb\s+(?:\[[^\]]*\]\s+)?)(\S+)\s+(\S+)(.*)$/.exec(text) ?? [];
  const [, scheme = "", user, host = ""] = /^([a-z+]+:\/\/)?(?:([^@/]*)@)?(.*)$/.exec(address) ?? [];
  const url = `${scheme}${host}`.replace(/\/?$/, "/");
  const [name = "", password = ""] = (user ?? "").split(/:(.*)/s);
  const login = `machine ${scheme}${host} login ${decoded(name)} password ${decoded(password)}`;
  return { line: `${head}${url} ${suite}${rest}`, url, suite, ...(user !== undefined && { login }) };
}

/** An address has its special characters as %xx; what is none stays as it is. */
const decoded = (text: string) =>
  text.replaceAll(/(%[0-9a-f]{2})+/gi, (code) => Buffer.from(code.replaceAll("%", ""), "hex").toString());

/** The content of an auth.conf for `sources`; empty where nobody asks for a password. */
export const authConf = (sources: Source[]): string =>
  [...new Set(sources.flatMap(({ login }) => (login === undefined ? [] : [`${login}\n`])))].join("");
