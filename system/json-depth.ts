// How deep a JSON text nests, counted before it is parsed: code that walks a value recurses once for each level, and a few thousand
// levels overflow the stack.
// Pure.

/** Our own files nest a dozen levels. */
export const maxJsonDepth = 100;

export function isTooDeep(text: string): boolean {
  let [depth, isInText] = [0, false];
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x22) isInText = !isInText;
    else if (isInText) at += char === 0x5c ? 1 : 0;
    else if (char === 0x5b || char === 0x7b) {
      if (++depth > maxJsonDepth) return true;
    } else if (char === 0x5d || char === 0x7d) depth--;
  }
  return false;
}
