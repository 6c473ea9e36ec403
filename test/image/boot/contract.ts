// The promises of boot control on every board. Each driver must keep them against a stateful model of its firmware.
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { type BootControl, otherSlot } from "../../../image/boot/boot-control.ts";
import { type Bench, type Running, startTrial } from "./bench.ts";
import { outcomes, PowerCut } from "./power.ts";

const refusal = (code: string) => expect.objectContaining({ code, hint: expect.any(String) });

/** `tries`: how often a slot that never answers is started. `neverUp`: what is said afterwards of one that never came up. */
export function bootControlContract(
  makeBench: () => Promise<Bench>,
  { tries, neverUp }: { tries: number; neverUp: Awaited<ReturnType<BootControl["rollbackReason"]>> },
): void {
  const benches: Bench[] = [];
  afterEach(() => {
    for (const bench of benches.splice(0)) bench.dispose();
  });
  const newDevice = async (): Promise<{ bench: Bench; first: Running }> => {
    const bench = await makeBench();
    benches.push(bench);
    return { bench, first: await bench.start({ kind: "power" }) };
  };

  test("a freshly flashed device runs slot a, with no trial pending", async () => {
    const { first } = await newDevice();
    expect(await first.control.current()).toEqual({ phase: "settled", slot: "a", version: "1.0" });
    expect(await first.control.rollbackReason()).toBeUndefined();
  });

  test("a committed trial starts by default from then on", async () => {
    const { bench, first } = await newDevice();
    const trial = await startTrial(bench, first, "1.1");
    expect(await trial.control.current()).toMatchObject({ phase: "trying", slot: "b", version: "1.1" });
    await trial.control.begin();
    await trial.control.commit();
    expect(await trial.control.current()).toMatchObject({ phase: "settled", slot: "b" });
    for (let count = 0; count < 5; count++) {
      const again = await bench.start({ kind: "power" });
      expect(again).toMatchObject({ slot: "b", version: "1.1" });
      expect(await again.control.current()).toMatchObject({ phase: "settled" });
    }
  });

  test("five power cuts while a settled device starts change neither slot nor counter", async () => {
    const { bench, first } = await newDevice();
    for (const version of [undefined, "1.1"]) {
      const settled = version === undefined ? first : await startTrial(bench, first, version);
      await settled.control.commit();
      const before = bench.bootFiles();
      for (let count = 0; count < 5; count++) {
        const { control, slot } = await bench.start({ kind: "power" });
        expect(slot).toBe(settled.slot);
        // All that a start asks of boot control: nothing is written that power could cut off.
        await control.begin();
        await control.earlier();
        expect(await control.rollbackReason()).toBeUndefined();
        expect(await control.current()).toMatchObject({ phase: "settled" });
        expect(bench.power.writes()).toBe(0);
        expect(bench.bootFiles()).toBe(before);
      }
    }
  });

  test("successive updates alternate between the slots", async () => {
    const { bench, first } = await newDevice();
    let running = first;
    for (const version of ["1.1", "1.2", "1.10"]) {
      running = await startTrial(bench, running, version);
      expect(running.version).toBe(version);
      await running.control.commit();
    }
    expect(await bench.start({ kind: "power" })).toMatchObject({ slot: "b", version: "1.10" });
  });

  test("an armed trial is reported as armed until it starts", async () => {
    const { bench, first } = await newDevice();
    await first.control.stage("b", await bench.writeSlot("b", "1.1"));
    const state = { phase: "armed", slot: "a", trial: { slot: "b", version: "1.1" }, triesLeft: tries };
    expect(await first.control.current()).toMatchObject(state);
    await first.control.reboot();
    expect(await first.control.current()).toMatchObject(state);
  });

  test("a trial that comes up and crashes is started until its tries are used up, then the old slot returns and says why", async () => {
    const { bench, first } = await newDevice();
    let running = await startTrial(bench, first, "1.1");
    for (let count = 1; count <= tries; count++) {
      expect(await running.control.current()).toMatchObject({ phase: "trying", slot: "b", triesLeft: tries - count });
      await running.control.begin();
      running = await bench.start({ kind: "watchdog" });
    }
    expect(running).toMatchObject({ slot: "a", version: "1.0" });
    expect(await running.control.current()).toMatchObject({ phase: "reverted", trial: { slot: "b", version: "1.1" } });
    expect(await running.control.rollbackReason()).toBe("triesUsedUp");
    for (let count = 0; count < 3; count++) expect((await bench.start({ kind: "power" })).slot).toBe("a");
  });

  test("the old slot returns after a trial that never comes up", async () => {
    const { bench, first } = await newDevice();
    await first.control.stage("b", await bench.writeSlot("b", "1.1"));
    bench.breakSlot("b");
    await first.control.reboot();
    const back = await bench.start(bench.restarted());
    expect(back.slot).toBe("a");
    expect(await back.control.rollbackReason()).toBe(neverUp);
  });

  test("a trial with a bad verdict is not started again, however the device restarts", async () => {
    const { bench, first } = await newDevice();
    const trial = await startTrial(bench, first, "1.1");
    await trial.control.begin();
    await trial.control.markBad();
    expect(await trial.control.current()).toMatchObject({ phase: "trying", isMarkedBad: true });
    await expect(trial.control.commit()).rejects.toEqual(refusal("boot.noTrial"));
    await trial.control.reboot();
    const back = await bench.start(bench.restarted());
    expect(back.slot).toBe("a");
    expect(await back.control.rollbackReason()).toBe("markedBad");
    for (let count = 0; count < 3; count++) expect((await bench.start({ kind: "power" })).slot).toBe("a");
  });

  test("a slot that is armed and then marked bad is not tried", async () => {
    const { bench, first } = await newDevice();
    await first.control.stage("b", await bench.writeSlot("b", "1.1"));
    await first.control.markBad();
    expect(await first.control.current()).toMatchObject({ phase: "reverted", because: "markedBad" });
    await first.control.reboot();
    expect((await bench.start(bench.restarted())).slot).toBe("a");
  });

  test("marking the other slot bad leaves a settled slot alone", async () => {
    const { bench, first } = await newDevice();
    const trial = await startTrial(bench, first, "1.1");
    await trial.control.commit();
    await trial.control.markBad();
    expect(await trial.control.current()).toMatchObject({ phase: "settled", slot: "b" });
    expect((await bench.start({ kind: "power" })).slot).toBe("b");
  });

  test("the trial after a failed one gets all its tries", async () => {
    const { bench, first } = await newDevice();
    const trial = await startTrial(bench, first, "1.1");
    await trial.control.markBad();
    await trial.control.reboot();
    const back = await bench.start(bench.restarted());
    const second = await startTrial(bench, back, "1.2");
    expect(await second.control.current()).toMatchObject({ phase: "trying", version: "1.2", triesLeft: tries - 1 });
    await second.control.commit();
    expect((await bench.start({ kind: "power" })).version).toBe("1.2");
  });

  test("committing again changes nothing", async () => {
    const { bench, first } = await newDevice();
    await first.control.commit();
    const trial = await startTrial(bench, first, "1.1");
    await trial.control.commit();
    bench.power.restore();
    await trial.control.commit();
    expect(bench.power.writes()).toBe(0);
    expect((await bench.start({ kind: "power" })).slot).toBe("b");
  });

  test("after staging twice, the last version is tried", async () => {
    const { bench, first } = await newDevice();
    await first.control.stage("b", await bench.writeSlot("b", "1.1"));
    await first.control.stage("b", await bench.writeSlot("b", "1.2"));
    await first.control.reboot();
    expect(await bench.start(bench.restarted())).toMatchObject({ slot: "b", version: "1.2" });
  });

  test("staging to the running slot, during a trial, or of a version not newer than the running one is refused and writes nothing", async () => {
    const { bench, first } = await newDevice();
    const candidate = await bench.writeSlot("b", "1.1");
    bench.power.restore();
    const stage = (slot: "a" | "b", version: string) => first.control.stage(slot, { ...candidate, version });
    await expect(stage("a", "1.1")).rejects.toEqual(refusal("boot.runningSlot"));
    await expect(stage("b", "1.0")).rejects.toEqual(refusal("boot.versionClash"));
    await expect(stage("b", "0.9")).rejects.toEqual(refusal("boot.notNewer"));
    expect(bench.power.writes()).toBe(0);
    const trial = await startTrial(bench, first, "1.1");
    bench.power.restore();
    await expect(trial.control.stage("a", { version: "1.2" })).rejects.toEqual(refusal("boot.trialUnjudged"));
    expect(bench.power.writes()).toBe(0);
    expect(await trial.control.current()).toMatchObject({ phase: "trying" });
  });

  test("an armed slot cannot be committed before it has run", async () => {
    const { bench, first } = await newDevice();
    await first.control.stage("b", await bench.writeSlot("b", "1.1"));
    await expect(first.control.commit()).rejects.toEqual(refusal("boot.noTrial"));
  });

  /** Runs an update from 1.0 in slot a to 1.1 in slot b. */
  async function updated(bench: Bench, first: Running): Promise<Running> {
    const trial = await startTrial(bench, first, "1.1");
    await trial.control.commit();
    return trial;
  }
  const nothingBack = async ({ control }: Running, bench: Bench): Promise<void> => {
    expect(await control.earlier()).toBeUndefined();
    bench.power.restore();
    await expect(control.revert()).rejects.toEqual(refusal("boot.nothingBack"));
    expect(bench.power.writes()).toBe(0);
  };

  test("after a commit the device can go back to the slot that ran before, which starts from then on", async () => {
    const { bench, first } = await newDevice();
    const running = await updated(bench, first);
    for (const now of [running, await bench.start({ kind: "power" })]) {
      expect(await now.control.earlier()).toMatchObject({ slot: "a", version: "1.0", verity: { dataBlocks: 40 } });
    }
    const later = await bench.start({ kind: "power" });
    await later.control.revert();
    const next = { slot: "a", version: "1.0" };
    expect(await later.control.current()).toMatchObject({ phase: "left", slot: "b", version: "1.1", next });
    await later.control.reboot();
    let back = await bench.start(bench.restarted());
    for (let count = 0; count < 3; count++) {
      expect(back).toMatchObject(next);
      expect(await back.control.current()).toEqual({ phase: "settled", ...next });
      back = await bench.start({ kind: "power" });
    }
    await nothingBack(back, bench);
  });

  test("a device can go back in the boot that was the trial, and doing so again changes nothing", async () => {
    const { bench, first } = await newDevice();
    const { control } = await updated(bench, first);
    await control.revert();
    bench.power.restore();
    await control.revert();
    expect(bench.power.writes()).toBe(0);
    expect(await control.current()).toMatchObject({ phase: "left" });
    expect(await bench.start({ kind: "watchdog" })).toMatchObject({ slot: "a", version: "1.0" });
  });

  test("what was left can be tried again, and kept", async () => {
    const { bench, first } = await newDevice();
    await (await updated(bench, first)).control.revert();
    const back = await bench.start({ kind: "reboot" });
    const again = await updated(bench, back);
    expect(again).toMatchObject({ slot: "b", version: "1.1" });
    expect(await bench.start({ kind: "power" })).toMatchObject({ slot: "b", version: "1.1" });
    expect(await again.control.earlier()).toMatchObject({ slot: "a", version: "1.0" });
  });

  test("there is nothing to go back to on a new device, after a failed trial, with a trial armed, or once the slot was given up", async () => {
    const { bench, first } = await newDevice();
    await nothingBack(first, bench);
    await first.control.stage("b", await bench.writeSlot("b", "1.1"));
    await nothingBack(first, bench);
    await first.control.reboot();
    const trial = await bench.start(bench.restarted());
    await trial.control.markBad();
    await trial.control.reboot();
    const failed = await bench.start(bench.restarted());
    await nothingBack(failed, bench);
    const good = await startTrial(bench, failed, "1.2");
    await good.control.commit();
    await good.control.markBad();
    await nothingBack(good, bench);
  });

  test("a trial does not go back by itself: its verdict does", async () => {
    const { bench, first } = await newDevice();
    const trial = await startTrial(bench, first, "1.1");
    expect(await trial.control.earlier()).toBeUndefined();
    await expect(trial.control.revert()).rejects.toEqual(refusal("boot.trialUnjudged"));
    expect(await trial.control.current()).toMatchObject({ phase: "trying" });
  });

  test("until the restart nothing touches the slot that a device goes back to", async () => {
    const { bench, first } = await newDevice();
    const { control } = await updated(bench, first);
    await control.revert();
    const candidate = { ...(await bench.writeSlot("a", "1.0")), version: "1.2" };
    bench.power.restore();
    await expect(control.stage("a", candidate)).rejects.toEqual(refusal("boot.leaving"));
    await expect(control.markBad()).rejects.toEqual(refusal("boot.leaving"));
    await expect(control.commit()).rejects.toEqual(refusal("boot.leaving"));
    expect(bench.power.writes()).toBe(0);
    expect(await bench.start({ kind: "power" })).toMatchObject({ slot: "a", version: "1.0" });
  });

  /** Cuts power at every write of `act`, in every way that a write can be cut, and checks what the device does next. */
  async function cutEverywhere(
    prepare: (bench: Bench, first: Running) => Promise<Running>,
    act: (bench: Bench, running: Running) => Promise<void>,
    check: (bench: Bench, after: Running) => Promise<void>,
  ): Promise<number> {
    for (let number = 0; ; number++) {
      for (const outcome of outcomes) {
        const { bench, first } = await newDevice();
        const running = await prepare(bench, first);
        bench.power.cutAt(number, outcome);
        const isCut = await act(bench, running).then(
          () => false,
          (error) => {
            if (error instanceof PowerCut) return true;
            throw error;
          },
        );
        if (!isCut) return number;
        await check(bench, await bench.start({ kind: "power" }));
      }
    }
  }

  /** Checks that a device settles from any state and then accepts an update as if nothing had happened. */
  async function settleAndUpdate(bench: Bench, after: Running): Promise<void> {
    let running = after;
    for (let count = 0; count <= tries; count++) running = await bench.start({ kind: "power" });
    expect((await running.control.current()).phase).not.toBe("trying");
    const trial = await startTrial(bench, running, "9.7");
    expect(trial).toMatchObject({ slot: otherSlot(running.slot), version: "9.7" });
    await trial.control.commit();
    expect(await bench.start({ kind: "power" })).toMatchObject({ version: "9.7" });
  }

  test("after a power cut at any write of staging, the old slot or the trial starts, and the next update works", async () => {
    const writes = await cutEverywhere(
      async (_, first) => first,
      async (bench, first) => {
        await first.control.stage("b", await bench.writeSlot("b", "1.1"));
        await first.control.reboot();
      },
      async (bench, after) => {
        expect(["1.0", "1.1"]).toContain(after.version);
        await settleAndUpdate(bench, after);
      },
    );
    expect(writes).toBeGreaterThan(1);
  });

  test("the same holds for staging over a slot that ran before", async () => {
    await cutEverywhere(
      async (bench, first) => {
        const trial = await startTrial(bench, first, "1.1");
        await trial.control.commit();
        return trial;
      },
      async (bench, running) => {
        await running.control.markBad();
        await running.control.stage("a", await bench.writeSlot("a", "1.2"));
        await running.control.reboot();
      },
      async (bench, after) => {
        expect(["1.1", "1.2"]).toContain(after.version);
        await settleAndUpdate(bench, after);
      },
    );
  });

  test("after a power cut at any write of a commit, the old slot or the new one starts, and a verdict can be given again", async () => {
    const writes = await cutEverywhere(
      (bench, first) => startTrial(bench, first, "1.1"),
      async (_, trial) => {
        await trial.control.begin();
        await trial.control.commit();
      },
      async (bench, after) => {
        expect(["1.0", "1.1"]).toContain(after.version);
        if ((await after.control.current()).phase === "trying") {
          await after.control.commit();
          const again = await bench.start({ kind: "power" });
          expect(await again.control.current()).toMatchObject({ phase: "settled", version: "1.1" });
        }
        await settleAndUpdate(bench, await bench.start({ kind: "power" }));
      },
    );
    expect(writes).toBeGreaterThan(1);
  });

  test("after a power cut at any write of a bad verdict, the old slot returns within the remaining tries", async () => {
    await cutEverywhere(
      (bench, first) => startTrial(bench, first, "1.1"),
      async (_, trial) => {
        await trial.control.begin();
        await trial.control.markBad();
        await trial.control.reboot();
      },
      async (bench, after) => {
        let running = after;
        for (let count = 0; count < tries; count++) running = await bench.start({ kind: "power" });
        expect(running.version).toBe("1.0");
        await settleAndUpdate(bench, running);
      },
    );
  });

  test("after a power cut at any write of going back, one of the two starts, and going back works again", async () => {
    const writes = await cutEverywhere(
      updated,
      async (_, { control }) => {
        await control.revert();
        await control.reboot();
      },
      async (bench, after) => {
        expect(["1.0", "1.1"]).toContain(after.version);
        const now = await after.control.current();
        if (after.version === "1.1") {
          expect(now).toMatchObject({ phase: "settled" });
          await after.control.revert();
        } else expect(now).toEqual({ phase: "settled", slot: "a", version: "1.0" });
        const back = await bench.start({ kind: "power" });
        expect(back.version).toBe("1.0");
        await settleAndUpdate(bench, back);
      },
    );
    expect(writes).toBeGreaterThan(0);
  });

  test("after a power cut at any write of a commit, a device that kept the release can go back once it has committed again", async () => {
    await cutEverywhere(
      (bench, first) => startTrial(bench, first, "1.1"),
      (_, { control }) => control.commit(),
      async (bench, after) => {
        if (after.version === "1.0") return;
        await after.control.commit();
        expect(await after.control.earlier()).toMatchObject({ slot: "a", version: "1.0" });
        await after.control.revert();
        expect(await bench.start({ kind: "power" })).toMatchObject({ slot: "a", version: "1.0" });
      },
    );
  });

  const step = fc.oneof(
    fc.record({
      kind: fc.constantFrom("stage", "reboot", "begin", "commit", "markBad", "revert", "watchdog", "power"),
    }),
    fc.record({ kind: fc.constant("cut"), at: fc.nat(6), outcome: fc.constantFrom(...outcomes) }),
  );

  test("for any commands in any order and any power cuts, only a good slot or one on trial starts", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
        const { bench, first } = await newDevice();
        let running = first;
        let good = first.version;
        let candidate = first.version;
        let earlier = first.version;
        let builds = 0;
        const start = async (reset: Parameters<Bench["start"]>[0]) => {
          running = await bench.start(reset);
          expect([good, candidate, earlier]).toContain(running.version);
          // A commit or a return that was cut may have succeeded.
          if ((await running.control.current()).phase !== "trying") good = running.version;
        };
        for (const one of steps) {
          const { control, slot } = running;
          try {
            switch (one.kind) {
              case "stage": {
                if (["trying", "left"].includes((await control.current()).phase)) break;
                candidate = `1.1.${++builds}`;
                const written = await bench.writeSlot(otherSlot(slot), candidate);
                await control.stage(otherSlot(slot), written);
                break;
              }
              case "reboot":
                await control.reboot();
                await start(bench.restarted());
                break;
              case "watchdog":
              case "power":
                await start({ kind: one.kind });
                break;
              case "revert": {
                const found = await control.earlier();
                if (!found || !bench.holds(found.slot, found.version)) break;
                earlier = found.version;
                await control.revert();
                good = earlier;
                break;
              }
              case "begin":
              case "commit":
              case "markBad":
                await control[one.kind]();
                if (one.kind === "commit") good = running.version;
                break;
              case "cut":
                if ("at" in one) bench.power.cutAt(one.at, one.outcome);
            }
          } catch (error) {
            if (error instanceof PowerCut) await start({ kind: "power" });
            else expect([refusal("boot.noTrial"), refusal("boot.leaving")]).toContainEqual(error);
          }
        }
        for (let count = 0; count <= tries; count++) await start({ kind: "power" });
        expect(running.version).toBe(good);
        await settleAndUpdate(bench, running);
      }),
      { numRuns: 25 },
    );
  });
}
