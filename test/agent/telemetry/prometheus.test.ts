import { expect, test } from "vitest";
import { prometheusText } from "../../../agent/telemetry/prometheus.ts";
import { makeStatusSource } from "../../dashboard/api/status-source.ts";

test("each metric family is described once, and Prometheus can parse each line", async () => {
  const source = makeStatusSource(1_700_000_000_000);
  source.member("kitchen").state = "dead";
  delete source.member("kitchen").metrics;
  source.member("cellar").name = 'cel"lar\\\n';
  source.state.warnings = [1, 2].map((since) => ({ code: "member.dead", message: "m", hint: "h", since }));
  const text = prometheusText(await source.status());
  expect(text).toContain(`hamlet_info{device="attic",id="${"a".repeat(26)}",board="nuc",release="0.1.0"} 1\n`);
  expect(text).toContain(`hamlet_member_alive{device="kitchen",id="${"k".repeat(26)}"} 0\n`);
  expect(text).toContain(`hamlet_member_rtt_seconds{device="cel\\"lar\\\\\\n",id="${"c".repeat(26)}"} 0.0007\n`);
  expect(text).toContain('hamlet_warnings{code="member.dead"} 2\n');
  expect(text.match(/^hamlet_cpu_ratio/gm)).toHaveLength(2);
  const types = text.match(/^# TYPE \S+/gm) ?? [];
  expect(new Set(types).size).toBe(types.length);
  for (const line of text.trimEnd().split("\n")) {
    expect(line).toMatch(
      /^(# (HELP|TYPE) hamlet_[a-z0-9_]+ .+|hamlet_[a-z0-9_]+\{([a-z]+="([^"\\]|\\.)*",?)*\} [0-9.e+-]+)$/,
    );
  }
});
