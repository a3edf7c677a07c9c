/** Signing in and registering, in the place where the ticket stands for those who are signed in. */

import { type FormEvent, useState } from "react";
import { Field } from "../shared/Field";
import { ErrorState, Loading } from "../shared/states";
import { Tabs } from "../shared/Tabs";
import { signIn, signUp } from "./desk";

const TABS = [
  { key: "in", title: "Sign in" },
  { key: "up", title: "Register" },
];

export function SignIn({ checking }: { readonly checking: boolean }) {
  const [tab, setTab] = useState("in");
  if (checking) return <Loading label="Looking whether you are signed in" />;
  return (
    <Tabs label="Account" tabs={TABS} selected={tab} onSelect={setTab}>
      <Form key={tab} registers={tab === "up"} />
    </Tabs>
  );
}

function Form({ registers }: { readonly registers: boolean }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await (registers ? signUp : signIn)(name, password);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <form className="body stack" onSubmit={(event) => void submit(event)}>
      <p className="muted">
        {registers ? "Takes a name and a password. Play money only." : "Everybody sees the market; sign in to trade."}
      </p>
      <Field label="User name">
        {(attributes) => (
          <input {...attributes} required autoComplete="username" value={name} onChange={(event) => setName(event.target.value)} />
        )}
      </Field>
      <Field label="Password">
        {(attributes) => (
          <input
            {...attributes}
            required
            type="password"
            autoComplete={registers ? "new-password" : "current-password"}
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        )}
      </Field>
      {error !== null && <ErrorState error={error} />}
      <button type="submit" className="primary" disabled={busy}>
        {busy ? "One moment…" : registers ? "Register" : "Sign in"}
      </button>
      {!registers && (
        <p className="muted">
          To look around: <code>demo_user</code>, <code>demo123</code>
        </p>
      )}
    </form>
  );
}
