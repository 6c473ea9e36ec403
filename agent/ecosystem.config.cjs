// The agent on an existing Linux machine, kept running by pm2. In the image systemd does that; this file is no part of it.
// `npm run build` first; then, as root: npx pm2 start agent/ecosystem.config.cjs
const { join } = require("node:path");

const root = join(__dirname, "..");
module.exports = {
  apps: [
    {
      name: "hamlet",
      script: join(root, "dist/agent.mjs"),
      // As in units/hamlet-agent.service.
      node_args: ["--max-semi-space-size=1", "--optimize-for-size", "--lite-mode"],
      interpreter: join(root, "node_modules/.bin/node"),
      // HAMLET_CONFIG may name another; settings are in agent/config.ts.
      args: ["--config", process.env.HAMLET_CONFIG || "/etc/hamlet/agent.json"],
      env: { MALLOC_ARENA_MAX: "1", UV_THREADPOOL_SIZE: "2" },
      // fork: one agent a machine; it holds the sockets itself.
      exec_mode: "fork",
      kill_timeout: 6000,
      exp_backoff_restart_delay: 500,
      max_memory_restart: "300M",
      time: true,
    },
  ],
};
