// Benchmarks what a rollout costs a neighborhood: `npm run bench rollout`.
import { printFigures } from "./figures.ts";
import { swarmFigures } from "./rollout/swarm.ts";

printFigures("A release for ten members on a line of 2 Mbit/s", await swarmFigures());
