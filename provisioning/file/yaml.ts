// Reads YAML from a card, which anyone may have written, in time that is linear in its length: it is short, its depth is counted before
// anything walks it, a set finds duplicate keys, and aliases are few.
// Pure.
import { Composer, CST, type Document, isScalar, Lexer, Parser, visit } from "yaml";
import { describeError } from "../../system/error.ts";
import { placeOf } from "../../system/text.ts";

/** Imager writes a few kilobytes; 16 RSA keys have 12 of them. */
export const maxYamlChars = 64 << 10;
const maxDepth = 60;
const maxAliases = 10;

/** The single document in `text`, with every value as text: a hostname may be 1234, and a password null. Throws an Error that says what is wrong, and where. */
export function parseYaml(text: string): unknown {
  if (text.length > maxYamlChars) throw new Error(`it has more than ${maxYamlChars} characters`);
  const composer = new Composer({ schema: "failsafe", logLevel: "error", uniqueKeys: false });
  const [document, second] = composer.compose(tokensOf(text), true, text.length);
  const [error] = document?.errors ?? [];
  if (error) throw new Error(`it is not YAML: ${withoutContent(error.message)} at ${placeOf(text, error.pos[0])}`);
  if (second) throw new Error("it has more than one YAML document");
  if (document) refuseDuplicates(text, document);
  try {
    return document?.toJS({ maxAliasCount: maxAliases });
  } catch (cause) {
    throw new Error(withoutContent(describeError(cause)));
  }
}

/** After a colon the library quotes the text, which may be a password, and strangers can read what a device says about its card. */
const withoutContent = (message: string): string => message.split(/[:\n]/)[0]!;

function* tokensOf(text: string): Generator<CST.Token> {
  const parser = new Parser();
  let aliases = 0;
  let at = 0;
  for (const lexeme of new Lexer().lex(text)) {
    yield* parser.next(lexeme);
    at += lexeme.length;
    if (parser.stack.length > maxDepth) throw new Error(`it is nested too deeply at ${placeOf(text, at)}`);
    if (CST.tokenType(lexeme) === "alias" && ++aliases > maxAliases)
      throw new Error(`it has more than ${maxAliases} aliases at ${placeOf(text, at)}`);
  }
  yield* parser.end();
}

function refuseDuplicates(text: string, document: Document): void {
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value))
          throw new Error(`'${key.value}' is there twice at ${placeOf(text, key.range?.[0] ?? 0)}`);
        seen.add(key.value);
      }
    },
  });
}
