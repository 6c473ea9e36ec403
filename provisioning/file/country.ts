// The country whose Wi-Fi channels a device may use: ISO 3166, as the kernel's table of rules has it.
// Pure.

/** Made once somebody gives a country: it loads a table of names. */
let names: Intl.DisplayNames | undefined;

/** What is wrong with the code, after its name in a sentence; undefined for a country. A device ignores the code of no country. */
export function countryTrouble(code: string): string | undefined {
  const isCode = /^[A-Z]{2}$/.test(code);
  names ??= new Intl.DisplayNames("en", { type: "region", fallback: "none" });
  // People write UK; the standard has GB.
  const region = isCode ? new Intl.Locale("und", { region: code }).region : undefined;
  if (isCode && region === code && names.of(code) !== undefined) return undefined;
  return `is not the code of a country${region !== undefined && region !== code ? `; did you mean ${region}?` : ", such as DE"}`;
}
