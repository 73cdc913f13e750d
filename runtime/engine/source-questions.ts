import type { Broker } from "../../broker/broker.ts";
import type { Plan } from "../../schemas/plan.ts";
import { passes } from "../retry.ts";
import { sourceId } from "./source-position.ts";
import type { SourceTask } from "./source-task.ts";

export interface QuestionsWiring {
  readonly plan: Plan;
  readonly broker: Pick<Broker, "describeTopics">;
  /** Told who waits for an answer, and (null) that it goes on. */
  readonly onTrouble: (who: string, error: unknown | null) => void;
  /** Told that there is an answer. */
  readonly tell: () => void;
}

/**
 * What source tasks ask of the world beside the loop: a schema that a record names, and whether a
 * topic has more partitions than are read. A record that waits stops its own partition alone.
 */
export class SourceQuestions {
  readonly #wiring: QuestionsWiring;
  #failure: unknown = null;

  constructor(wiring: QuestionsWiring) {
    this.#wiring = wiring;
  }

  /** Asks what a task wants to know, if it does. */
  ask(task: SourceTask): void {
    if (task.needsSchema) this.#watch(task, task.resolveSchema());
    const { placement, subtopology } = task;
    if (!placement.wantsLook) return;
    const { broker, plan } = this.#wiring;
    this.#watch(
      task,
      placement.ask(() => sourceId(broker, plan, subtopology.inbox), passes),
    );
  }

  /** Throws what ended a question, SOURCE_PARTITIONS among it. */
  throwFailure(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** @param unanswered - resolves with why it is not answered yet, else null. */
  #watch({ subtopology, partition }: SourceTask, unanswered: Promise<unknown>): void {
    const { onTrouble, tell } = this.#wiring;
    unanswered.then(
      (why) => {
        onTrouble(`source ${subtopology.inbox}/${partition}`, why);
        tell();
      },
      (error: unknown) => {
        this.#failure = error;
        tell();
      },
    );
  }
}
