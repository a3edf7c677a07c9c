/** What a frame that scrolls shows: scroll position and height, both in px. */

import { type RefObject, useLayoutEffect, useState } from "react";

export interface ScrollView {
  readonly top: number;
  readonly height: number;
}

export function useScroll(frame: RefObject<HTMLElement | null>): ScrollView {
  const [view, setView] = useState<ScrollView>({ top: 0, height: 800 });
  useLayoutEffect(() => {
    const { current } = frame;
    if (!current) return undefined;
    const read = () => setView({ top: current.scrollTop, height: current.clientHeight });
    const observer = new ResizeObserver(read);
    observer.observe(current);
    current.addEventListener("scroll", read, { passive: true });
    return () => {
      observer.disconnect();
      current.removeEventListener("scroll", read);
    };
  }, [frame]);
  return view;
}
