// Parses lines of sources.list. Keeps a mirror's password apart, so that it never appears in an argv, a log or a cache key.
import { splitLogin } from "../../../system/login.ts";

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
  const [, scheme = "", authority = "", path = ""] = /^([a-z+]+:\/\/)?([^/]*)(.*)$/.exec(address) ?? [];
  const { login, host } = splitLogin(authority);
  const where = `${scheme}${host}${path}`;
  const url = where.replace(/\/?$/, "/");
  const auth = login && `machine ${where} login ${login.username} password ${login.password}`;
  return { line: `${head}${url} ${suite}${rest}`, url, suite, ...(auth !== undefined && { login: auth }) };
}

/** The content of an auth.conf for `sources`; empty if no source needs a password. */
export const authConf = (sources: Source[]): string =>
  [...new Set(sources.flatMap(({ login }) => (login === undefined ? [] : [`${login}\n`])))].join("");
