/** Doing something as an administrator: what it was is told, a failure with its trace, and what shows it is read anew. */

import { useCallback, useState } from "react";
import { RequestError } from "../../shared/http";
import { toast } from "../../shared/Toasts";
import * as desk from "../desk";

/** Market data follows the engine's event a moment later than its answer: a second look sees it. */
const LOOK_AGAIN_MS = 1000;

/** Does something and says it is done. Resolves to whether it was. */
export type Act = (done: string, change: () => Promise<unknown>) => Promise<boolean>;

export function useAct(): { readonly act: Act; readonly version: number } {
  const [version, setVersion] = useState(0);
  const act = useCallback<Act>(async (done, change) => {
    try {
      await change();
      toast("good", `${done}.`);
      return true;
    } catch (error) {
      const traceId = error instanceof RequestError ? error.traceId : "";
      const action = { label: "What happened", run: () => desk.shownStory.set({ traceId }) };
      toast("bad", error instanceof Error ? error.message : String(error), traceId ? action : undefined);
      return false;
    } finally {
      setVersion((was) => was + 1);
      setTimeout(() => setVersion((was) => was + 1), LOOK_AGAIN_MS);
    }
  }, []);
  return { act, version };
}
