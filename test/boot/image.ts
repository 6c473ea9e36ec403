// The image that all tests share: the one of `hamlet lab up`, with the release root and the web of this user's labs. So the tests and
// the labs of one computer share one image and the states saved of it.
import { labPublisher } from "../../cli/commands/lab/publisher.ts";
import { labImage } from "../../image/lab/machine/image.ts";

export async function testImage(board?: string): Promise<string> {
  const { updates } = await labPublisher();
  return labImage(board, { updates });
}
