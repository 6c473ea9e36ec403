// Runs the agent under pm2 on an existing Linux machine. The image does not contain this file: systemd supervises the agent there.
// Run `npm run build` first, then as root: npx pm2 start agent/ecosystem.config.cjs
const { join, resolve } = require("node:path");

module.exports = {
  apps: [
    {
      name: "hamlet",
      // The paths below are relative, because pm2 takes a script with a space in its path for a command line, and an interpreter
      // with `node@` in its path for a version to install.
      cwd: join(__dirname, ".."),
      script: "node_modules/.bin/node",
      interpreter: "none",
      args: [
        // As in units/hamlet-agent.service.
        ...["--max-semi-space-size=1", "--optimize-for-size", "--lite-mode"],
        "dist/agent.mjs",
        // In place of /etc/hamlet/agent.json; agent/config.ts describes the settings.
        ...(process.env.HAMLET_CONFIG ? ["--config", resolve(process.env.HAMLET_CONFIG)] : []),
      ],
      env: {
        MALLOC_ARENA_MAX: "1",
        MALLOC_TRIM_THRESHOLD_: "65536",
        MALLOC_TOP_PAD_: "16384",
        MALLOC_MMAP_THRESHOLD_: "32768",
        UV_THREADPOOL_SIZE: "2",
      },
      // fork: one agent per machine, which holds the sockets itself.
      exec_mode: "fork",
      kill_timeout: 6000,
      exp_backoff_restart_delay: 500,
      max_memory_restart: "300M",
      time: true,
    },
  ],
};
