// Every error code with its cause and next step. A code without one does not compile.
import type { ErrorCode } from "../error.ts";
import { agentCauses } from "./agent.ts";
import { bootCauses } from "./boot.ts";
import type { Cause } from "./cause.ts";
import { commandLineCauses } from "./command-line.ts";
import { imageCauses } from "./image.ts";
import { labCauses } from "./lab.ts";
import { mediaCauses } from "./media.ts";
import { provisioningCauses } from "./provisioning.ts";
import { updateCauses } from "./update.ts";

export const errorCauses: Record<ErrorCode, Cause> = {
  ...commandLineCauses,
  ...provisioningCauses,
  ...imageCauses,
  ...bootCauses,
  ...mediaCauses,
  ...labCauses,
  ...updateCauses,
  ...agentCauses,
};
