// The list that Raspberry Pi Imager shows (`rpi-imager --repo <url of os_list.json>`), in its JSON Schema. Raspberry Pi boards only: Imager
// selects images by board tags, and has none for other boards. `init_format`: see provisioning/file/imager.ts.
// Pure.
import { boardNamed, boardNames } from "../boards.ts";
import type { PublishedImage } from "./published.ts";

export const iconName = "hamlet.png";

/** `url` is the public address of the folder; it ends with a slash. */
export function osListText(images: readonly PublishedImage[], url: string, website?: string): string {
  const entries = images.flatMap((image) => {
    const board = boardNames.includes(image.board) ? boardNamed(image.board) : undefined;
    if (board?.layout !== "rpi") return [];
    const at = (name: string) => new URL(encodeURIComponent(name), url).href;
    return [
      {
        name: `Hamlet ${image.version} (${board.describe})`,
        description: "Devices that find each other and become one private network, without a server or an account",
        icon: at(iconName),
        ...(website !== undefined && { website }),
        url: at(image.file),
        extract_size: image.extractBytes,
        extract_sha256: image.extractSha256,
        image_download_size: image.downloadBytes,
        image_download_sha256: image.downloadSha256,
        release_date: new Date(image.builtS * 1000).toISOString().slice(0, 10),
        init_format: "cloudinit",
        devices: board.imagerDevices,
        architecture: "armv8",
        bmap_url: at(image.bmap.name),
      },
    ];
  });
  return `${JSON.stringify({ os_list: entries }, null, 2)}\n`;
}
