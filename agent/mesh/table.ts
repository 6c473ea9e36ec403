// The nftables table `hamlet`, composed of parts. Each part has an owner, which alone names and fills its chains.
// Pure: parts in, the text for `nft -f` out.
import { HamletError } from "../../system/error.ts";

export type Chain = {
  name: string;
  comment: string;
  type: "filter" | "nat" | "route";
  hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
  priority: string;
  /** In nft's language, one rule each. */
  rules: string[];
};
export type Part = { owner: string; chains: Chain[] };

export const chainName = (owner: string, name: string): string => `${owner}_${name}`;

/** The whole table as one transaction: made, deleted and filled again, so that no packet ever meets half of it. Throws `guard.failed`. */
export function tableText(parts: readonly Part[]): string {
  const names = parts.flatMap(({ owner, chains }) => chains.map(({ name }) => checkedName(owner, name)));
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new HamletError("guard.failed", `two chains of the table hamlet are called ${twice}`);
  const chains = parts.flatMap(({ owner, chains: own }) => own.map((chain) => chainText(owner, chain)));
  return ["table inet hamlet {", "}", "delete table inet hamlet", "table inet hamlet {", ...chains, "}", ""].join("\n");
}

function chainText(owner: string, { name, comment, type, hook, priority, rules }: Chain): string {
  const lines = [
    `comment "${checked(/^[\w ,.'-]*$/, comment)}"`,
    `type ${type} hook ${hook} priority ${checked(/^[a-z]* ?[+-]? ?\d*$/, priority)}; policy accept;`,
    ...rules.map(checkedRule),
  ];
  return [`\tchain ${chainName(owner, name)} {`, ...lines.map((line) => `\t\t${line}`), "\t}"].join("\n");
}

/** Neither half may hold the `_` between them: so no two owners can come to one name. */
function checkedName(owner: string, name: string): string {
  return chainName(checked(/^[a-z][a-z0-9]{0,31}$/, owner), checked(/^[a-z][a-z0-9]{0,31}$/, name));
}

/** A rule stays in its chain: it is one line that closes only the braces that it opens. */
function checkedRule(rule: string): string {
  let depth = 0;
  for (const sign of checked(/^[^\n\r;#\\]+$/, rule)) {
    if (sign === "{") depth += 1;
    else if (sign === "}") depth -= 1;
    if (depth < 0) break;
  }
  return depth === 0 ? rule : refuse(rule);
}

const checked = (allowed: RegExp, text: string): string => (allowed.test(text) ? text : refuse(text));
function refuse(text: string): never {
  throw new HamletError("guard.failed", `${JSON.stringify(text)} has no place in the table hamlet`);
}
