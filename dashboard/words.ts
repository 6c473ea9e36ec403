// Formats numbers for people, on the page and in the terminal.

export function bytes(value: number | undefined): string {
  if (value === undefined) return "";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [size, unit] = [value, 0];
  while (size >= 999.5 && unit < units.length - 1) [size, unit] = [size / 1000, unit + 1];
  return `${unit === 0 || size >= 99.5 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

export function duration(seconds: number | undefined): string {
  if (seconds === undefined) return "";
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} days`;
}

export const milliseconds = (value: number | undefined): string =>
  value === undefined ? "" : value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;

export const percent = (share: number | undefined): string =>
  share === undefined || Number.isNaN(share) ? "" : `${Math.round(share * 100)} %`;

/** A device has several addresses, and each is found by itself. */
export const devicesAt = (found: readonly { id?: string | undefined; address: string }[]): number =>
  new Set(found.map(({ id, address }) => id ?? address)).size;

export const count = (number: number, one: string, many = `${one}s`): string =>
  `${number} ${number === 1 ? one : many}`;
