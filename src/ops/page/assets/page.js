// Brings the page up to date: asks for it again, and puts in what has changed. Whatever somebody is busy with stays as it is.
"use strict";
(() => {
  const EVERY = 5000;
  const body = document.body;
  if (!("refreshes" in body.dataset)) return;
  const hold = document.getElementById("hold");
  const trouble = document.getElementById("trouble");
  document.getElementById("refresh").hidden = false;
  let held = false;
  let asking = false;

  // A part in which somebody has the focus, points at a form, has opened something or marked text is not touched.
  const isBusy = (part) => {
    if (part.contains(document.activeElement) || part.querySelector("form:hover")) return true;
    const marked = document.getSelection();
    return marked !== null && !marked.isCollapsed && part.contains(marked.anchorNode);
  };

  const opened = (part) => [...part.querySelectorAll("details")].map((details) => details.open);

  const replace = (part, fresh) => {
    // What is the same is left alone: a part with a status is read out when its words change, and not before.
    if (part.innerHTML === fresh.innerHTML) return;
    const open = opened(part);
    const details = [...fresh.querySelectorAll("details")];
    if (open.includes(true) && details.length !== open.length) return;
    details.forEach((each, place) => { each.open = open[place] === true; });
    part.className = fresh.className;
    part.replaceChildren(...[...fresh.childNodes].map((node) => document.adoptNode(node)));
  };

  const refresh = async () => {
    if (held || asking || document.hidden) return;
    asking = true;
    try {
      const answer = await fetch(location.pathname + location.search.replace(/[?&]done=[^&]*/, ""), { cache: "no-store", credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (document.title !== page.title) { location.reload(); return; }
      for (const part of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(part.id);
        if (fresh !== null && !isBusy(part)) replace(part, fresh);
      }
      if (trouble.textContent !== "") trouble.textContent = "";
    } catch {
      const words = "leadsync does not answer; what you see is old.";
      if (trouble.textContent !== words) trouble.textContent = words;
    } finally {
      asking = false;
    }
  };

  hold.addEventListener("click", () => {
    held = !held;
    hold.textContent = held ? "Go on refreshing" : "Stop refreshing";
    hold.setAttribute("aria-pressed", String(held));
    refresh();
  });
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, EVERY);
})();
