// What this device does for a question of its owner that has proved itself, and says to it.
import type { SignedQuestion } from "../../provisioning/trust/question.ts";
import { explainIssues } from "../../system/files.ts";
import { errorAnswer } from "../../system/http/answer.ts";
import { badRequest, unknownQuestion } from "./errors.ts";
import { isQuestionKind, type Outcome, type QuestionKind, questions, type Taken } from "./questions.ts";

export type Answerers = { [Kind in QuestionKind]: (taken: Taken<Kind>, signed: SignedQuestion) => Promise<unknown> };
/** Never throws: what went wrong is an answer too. */
export type Answer = (kind: string, given: unknown, signed: SignedQuestion) => Promise<Outcome>;

export function makeAnswer(answerers: Answerers): Answer {
  const answer = async <Kind extends QuestionKind>(
    kind: Kind,
    given: unknown,
    signed: SignedQuestion,
  ): Promise<unknown> => {
    const taken = questions[kind].safeParse(given);
    if (!taken.success) throw badRequest(explainIssues(taken.error));
    return await answerers[kind](taken.data as Taken<Kind>, signed);
  };
  return async (kind, given, signed) => {
    try {
      if (!isQuestionKind(kind)) throw unknownQuestion(kind);
      return { answer: await answer(kind, given, signed) };
    } catch (error) {
      return { refused: errorAnswer(error) };
    }
  };
}
