import { readFile } from "node:fs/promises";
import { MillraceError } from "../../../schemas/errors.ts";
import { endWithParent } from "../score/end-with-parent.ts";
import { checkModel, type ModelCheck, type PassedModel } from "./check-model.ts";

/** What the process is sent. */
export interface CheckRequest extends ModelCheck {
  readonly file: string;
}

/** What it sends back: the error of a refusal loses its class on the way. */
export type CheckVerdict =
  | { readonly passed: PassedModel }
  | { readonly refused: string }
  | { readonly broken: string };

async function verdictOf(request: CheckRequest): Promise<CheckVerdict> {
  try {
    return { passed: await checkModel(await readFile(request.file), request) };
  } catch (error) {
    if (error instanceof MillraceError && error.code === "MODEL_REFUSED") {
      return { refused: String(error.context["reason"]) };
    }
    return { broken: error instanceof Error ? error.message : String(error) };
  }
}

endWithParent();
process.once("message", (request: CheckRequest) => {
  void verdictOf(request).then((verdict) =>
    process.send?.(verdict, () => {
      process.disconnect();
    }),
  );
});
