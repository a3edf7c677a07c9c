/** Tabs in the manner of the ARIA practices: arrow keys move, Home and End jump, one tab stop for all. */

import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef } from "react";

export interface Tab {
  readonly key: string;
  readonly title: ReactNode;
}

export interface TabsProps {
  readonly label: string;
  readonly tabs: readonly Tab[];
  readonly selected: string;
  readonly onSelect: (key: string) => void;
  readonly children: ReactNode;
  readonly className?: string;
}

export function Tabs({ label, tabs, selected, onSelect, children, className = "" }: TabsProps) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // On a narrow screen the tabs scroll: the one that is shown is in sight.
    const { current } = list;
    const tab = current?.querySelector<HTMLElement>('[aria-selected="true"]');
    if (!current || !tab) return;
    const [left, right] = [tab.offsetLeft - current.offsetLeft, tab.offsetLeft - current.offsetLeft + tab.offsetWidth];
    if (left < current.scrollLeft) current.scrollLeft = left;
    else if (right > current.scrollLeft + current.clientWidth) current.scrollLeft = right - current.clientWidth;
  }, [selected]);
  const move = (event: KeyboardEvent) => {
    const now = tabs.findIndex((tab) => tab.key === selected);
    const to = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const index = (to + tabs.length) % tabs.length;
    const tab = tabs[index];
    if (tab) onSelect(tab.key);
    (list.current?.children[index] as HTMLElement | undefined)?.focus();
  };
  return (
    <div className={className}>
      <div className="tabs" role="tablist" aria-label={label} ref={list} onKeyDown={move}>
        {tabs.map((tab) => (
          <button
            key={tab.key}
            type="button"
            role="tab"
            id={`${id}-${tab.key}`}
            aria-selected={tab.key === selected}
            aria-controls={`${id}-panel`}
            tabIndex={tab.key === selected ? 0 : -1}
            onClick={() => onSelect(tab.key)}
          >
            {tab.title}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${selected}`} className="tab-panel">
        {children}
      </div>
    </div>
  );
}
