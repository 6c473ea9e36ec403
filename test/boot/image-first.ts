// Builds the image that all test files share once, before they run in parallel.
import { testImage } from "./image.ts";

export default async function setup(): Promise<void> {
  await testImage();
}
