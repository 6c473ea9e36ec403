// YAML of a card that may be anyone's, in time that grows with its length alone: it is short, its depth is counted before anything
// walks it, keys are held against each other by a set, and aliases are few.
// Pure.
import { Composer, CST, type Document, isScalar, Lexer, Parser, visit } from "yaml";
import { describeError } from "../../system/error.ts";
import { placeOf } from "../../system/text.ts";

/** Imager writes a few kilobytes; sixteen SSH keys of RSA have twelve. */
export const maxYamlChars = 64 << 10;
const maxDepth = 60;
const maxAliases = 10;

/** The one document in `text`, every value as text: a hostname may be 1234, and a password null. Throws an Error that says what is wrong, and where. */
export function parseYaml(text: string): unknown {
  if (text.length > maxYamlChars) throw new Error(`it has more than ${maxYamlChars} characters`);
  const composer = new Composer({ schema: "failsafe", logLevel: "error", uniqueKeys: false });
  const [document, second] = composer.compose(tokensOf(text), true, text.length);
  const [error] = document?.errors ?? [];
  if (error) throw new Error(`it is not YAML: ${withoutContent(error.message)} at ${placeOf(text, error.pos[0])}`);
  if (second) throw new Error("it is not YAML of one document");
  if (document) refuseTwice(text, document);
  try {
    return document?.toJS({ maxAliasCount: maxAliases });
  } catch (cause) {
    throw new Error(withoutContent(describeError(cause)));
  }
}

/** Behind a colon the library quotes the text, which may be a password, and strangers see what a device says of its card. */
const withoutContent = (message: string): string => message.split(/[:\n]/)[0]!;

function* tokensOf(text: string): Generator<CST.Token> {
  const parser = new Parser();
  let aliases = 0;
  let at = 0;
  for (const lexeme of new Lexer().lex(text)) {
    yield* parser.next(lexeme);
    at += lexeme.length;
    if (parser.stack.length > maxDepth) throw new Error(`it is nested too deep at ${placeOf(text, at)}`);
    if (CST.tokenType(lexeme) === "alias" && ++aliases > maxAliases)
      throw new Error(`it has more than ${maxAliases} aliases at ${placeOf(text, at)}`);
  }
  yield* parser.end();
}

function refuseTwice(text: string, document: Document): void {
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value))
          throw new Error(`'${key.value}' stands twice at ${placeOf(text, key.range?.[0] ?? 0)}`);
        seen.add(key.value);
      }
    },
  });
}
