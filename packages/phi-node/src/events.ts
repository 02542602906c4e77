/** The events of a cached key, for metrics: facts that never hold a key. Alert on `StaleServed`. */
export type KeyEvent =
  | { readonly type: "KeyUnwrapped"; readonly keyName: string; readonly seconds: number; readonly background: boolean }
  | {
      readonly type: "UnwrapFailed";
      readonly keyName: string;
      readonly cause: string;
      readonly transient: boolean;
      readonly seconds: number;
      readonly background: boolean;
    }
  | { readonly type: "StaleServed"; readonly seconds: number }
  | { readonly type: "KeyDropped"; readonly keyName: string; readonly cause: string };

export type EventHook = (event: KeyEvent) => void;

/** The hook, whose exceptions never reach a caller: a failing metrics library must not stop access to records. */
export function isolated(hook: EventHook | undefined): EventHook {
  let reported = false;
  return (event) => {
    try {
      hook?.(event);
    } catch {
      if (!reported) console.error("The onEvent hook of a cached key threw; later failures are not reported.");
      reported = true;
    }
  };
}
