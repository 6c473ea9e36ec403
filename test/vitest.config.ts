// Four projects, by what they need: unit (nothing), net (namespaces), vm (a kernel under QEMU), boot (whole images).
import { defineConfig } from "vitest/config";

const serial = { fileParallelism: false, sequence: { concurrent: false } };
export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    reporters: ["verbose"],
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/{net,vm,boot,web,bench}/**"],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: "net",
          include: ["test/{net,web}/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          ...serial,
        },
      },
      {
        test: { name: "vm", include: ["test/vm/**/*.test.ts"], testTimeout: 300_000, hookTimeout: 600_000, ...serial },
      },
      {
        test: {
          name: "boot",
          include: ["test/boot/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 1_200_000,
          ...serial,
        },
      },
    ],
  },
});
