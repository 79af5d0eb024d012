
/* What the page can do beyond being read. It works without this script, only less.

   Every control is made here, so without the script there is none. The script goes by these marks, not by the ids of
   sections; whoever writes a template or draws a figure needs no line of script:

   data-variant="NAME"  An element with it is hidden and highlighted with that variant. A chip (class "variant") stands
                        for what it names: its row or rows where it is in a row's first cell or in a th of the row, its
                        column where it is in a thead, else the .bar or .row around it.
   data-joins="[...]"   An element with it is hidden once fewer than two of these variants (JSON) are shown.
   class="legend"       Each of its spans with a chip gets two buttons: highlight and hide.
   data-scope           Legends inside act on what is inside alone, those outside on what is outside all scopes.
   table                With a thead and two or more rows it is sorted, saved as CSV and, from five rows on, filtered,
                        unless it has data-plain. data-value="..." on a cell is what it is sorted by ("" is missing), otherwise its
                        text without <small>. Rows of a tbody stay in it if it has a row of class "group". A row of class "rests"
                        goes wherever the row above it goes and counts as a part of it; of its own it has only
                        paragraphs in CSV. data-aside="..." is what stands in small letters in cells of a column whose
                        head does not say.
   svg .point           Shows its <title> when hovered over or focused (reports/alive.py).
   svg metadata         data-svg and data-outlined: the figure as files, base64 of gzip.
   class="scroll"       Is named after the heading before it. While columns are beyond its right edge, a line above it
                        says how many.
   details              Is printed open, unless it has data-folded: pages of pictures, and what a file holds too. With
                        data-wide it is open at first where the page is wide, and closed where it is narrow. */
"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  function button(words, attributes, act) {
    const element = make("button", { type: "button", ...attributes }, words);
    element.addEventListener("click", act);
    return element;
  }

  const words = (node) => node.textContent.replace(/\s+/g, " ").trim();

  /* The heading that an element stands under, or the summary that it is folded into. */
  function headingOf(element) {
    const summary = element.closest("details")?.querySelector(":scope > summary");
    const before = all("h2, h3, h4").filter(
      (heading) => heading.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING,
    );
    const heading = before.length ? words(before.at(-1)) : document.title;
    return summary && !summary.contains(before.at(-1)) ? `${heading}, ${words(summary)}` : heading;
  }

  // Files

  function fileName(title, ending) {
    const plain = title.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
    return `${plain.slice(0, 80) || "fewcolors"}.${ending}`;
  }

  function save(name, parts, type) {
    const address = URL.createObjectURL(new Blob(parts, { type }));
    const link = make("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }

  function unpacked(base64) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  }

  function offerFigure(svg) {
    const held = svg.querySelector("metadata").dataset;
    const title = svg.getAttribute("aria-label");
    const offer = (shown, packed, name) =>
      button(shown, { "aria-label": `${shown}: ${title}` }, async () =>
        save(fileName(name, "svg"), [await unpacked(packed)], "image/svg+xml"),
      );
    svg.after(
      make(
        "p",
        { class: "tools" },
        offer("Save SVG", held.svg, title),
        offer("Save SVG, text as outlines", held.outlined, `${title} outlined`),
      ),
    );
  }

  // Tables

  /* The cells of some rows by row and column; one that spans several stands at each of its places. */
  function grid(rows) {
    const found = rows.map(() => []);
    rows.forEach((row, r) => {
      let c = 0;
      for (const cell of row.cells) {
        while (found[r][c]) c += 1;
        for (let down = 0; down < cell.rowSpan && r + down < rows.length; down += 1)
          for (let right = 0; right < cell.colSpan; right += 1) found[r + down][c + right] = cell;
        c += cell.colSpan;
      }
    });
    return found;
  }

  const bodyRows = (table) => [...table.tBodies].flatMap((body) => [...body.rows]);
  const isGroup = (row) => row.classList.contains("group");
  const isRest = (row) => row.classList.contains("rests");
  const isOwn = (row) => !isGroup(row) && !isRest(row);
  const isShown = (row) => !row.closest(".is-hidden, .is-filtered");

  /* A row and those below it that belong to it. */
  function withRest(row) {
    const rows = [row];
    while (rows.at(-1).nextElementSibling?.matches(".rests")) rows.push(rows.at(-1).nextElementSibling);
    return rows;
  }

  function textOf(cell, aside = false) {
    const copy = cell.cloneNode(true);
    for (const line of all("br", copy)) line.replaceWith(" ");
    const small = all("small", copy);
    if (aside) return small.map(words).join(" ");
    for (const part of small) part.remove();
    return words(copy);
  }

  const MISSING = new Set(["", "–", "—", "not tested"]);
  const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const NUMBER = /^[<>=≤≥≈]?\s*([+-]?)(∞|\d[\d,]*(?:\.\d+)?)(?:·10(⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+))?(⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)?/;

  const exponent = (raised) =>
    Number([...raised].map((letter) => (letter === "⁻" ? "-" : SUPERSCRIPTS.indexOf(letter))).join(""));

  /* The number that a text begins with, NaN if it begins with none. */
  function numberOf(text) {
    const found = NUMBER.exec(text.replace(/−/g, "-"));
    if (!found) return NaN;
    let value = found[2] === "∞" ? Infinity : Number(found[2].replace(/,/g, ""));
    if (found[3]) value *= 10 ** exponent(found[3]);
    if (found[4]) value **= exponent(found[4]);
    return found[1] === "-" ? -value : value;
  }

  const keyOf = (cell) => (!cell || cell.colSpan > 1 ? "" : (cell.dataset.value ?? textOf(cell)));

  const inWords = new Intl.Collator("en", { numeric: true });

  /* A comparison of texts as a column of them is best sorted, what is missing last either way. */
  function comparison(texts, direction) {
    const known = texts.filter((text) => !MISSING.has(text));
    const numeric = known.every((text) => !Number.isNaN(numberOf(text)));
    return (a, b) => {
      const lost = MISSING.has(a) - MISSING.has(b);
      if (lost || MISSING.has(a)) return lost;
      if (!numeric) return direction * inWords.compare(a, b);
      const [x, y] = [numberOf(a), numberOf(b)];
      return x === y ? 0 : direction * (x < y ? -1 : 1);
    };
  }

  const MANY = 5; // rows that are worth a filter
  const folded = new WeakMap();

  /* Gives each row copies of the cells that span it from above, so that rows can be moved and left out one by one. */
  function unfold(table) {
    if (folded.has(table)) return;
    const places = bodyRows(table).map((row) => ({ row, body: row.parentNode }));
    const spans = [];
    for (const body of table.tBodies) {
      const cells = grid([...body.rows]);
      [...body.rows].forEach((row, r) => {
        cells[r].forEach((cell, c) => {
          if (cell.parentNode === row || cells[r].indexOf(cell) !== c) return;
          const copy = cell.cloneNode(true);
          copy.removeAttribute("rowspan");
          copy.classList.add("repeated");
          const next = cells[r].slice(c + 1).find((other) => other.parentNode === row);
          row.insertBefore(copy, next ?? null);
          cells[r] = cells[r].map((other) => (other === cell ? copy : other));
        });
      });
      for (const cell of all("[rowspan]", body)) {
        spans.push([cell, cell.getAttribute("rowspan")]);
        cell.removeAttribute("rowspan");
      }
    }
    folded.set(table, { places, spans });
    table.classList.add("is-unfolded");
  }

  function fold(table) {
    if (!folded.has(table)) return;
    const { places, spans } = folded.get(table);
    for (const { row, body } of places) body.append(row);
    for (const copy of all(".repeated", table)) copy.remove();
    for (const [cell, span] of spans) cell.setAttribute("rowspan", span);
    folded.delete(table);
    table.classList.remove("is-unfolded");
  }

  /* The lists of rows that are each sorted for themselves, and where they are put. */
  function sortedTogether(table) {
    const bodies = [...table.tBodies].filter((body) => body.rows.length);
    if (!bodies.some((body) => [...body.rows].some(isGroup)))
      return [{ body: bodies[0], rows: bodies.flatMap((body) => [...body.rows]).filter(isOwn) }];
    return bodies.map((body) => ({ body, rows: [...body.rows].filter(isOwn) }));
  }

  function sortBy(table, column, direction) {
    fold(table);
    unfold(table);
    for (const { body, rows } of sortedTogether(table)) {
      const keys = new Map(grid(rows).map((cells, r) => [rows[r], keyOf(cells[column])]));
      const compare = comparison([...keys.values()], direction);
      body.append(...rows.sort((a, b) => compare(keys.get(a), keys.get(b))).flatMap(withRest));
    }
  }

  /* The header cell that names each column alone, by column. */
  function headersOf(table) {
    const columns = new Map();
    for (const row of grid([...table.tHead.rows]))
      row.forEach((cell, c) => {
        if (cell.colSpan === 1) columns.set(c, cell);
      });
    return columns;
  }

  function offerSorting(table, tools) {
    for (const [column, header] of headersOf(table)) {
      if (!words(header)) continue;
      const inside = [...header.childNodes];
      const press = button("", { class: "sort" }, () => {
        const next = { ascending: "descending", descending: null }[header.getAttribute("aria-sort")];
        for (const other of all("[aria-sort]", table.tHead)) other.removeAttribute("aria-sort");
        const order = next === undefined ? "ascending" : next;
        if (order) header.setAttribute("aria-sort", order);
        tools.sorted = order && { column, direction: order === "ascending" ? 1 : -1 };
        arrange(table, tools);
      });
      press.append(...inside);
      header.append(press);
    }
  }

  function offerFilter(table, tools) {
    const field = make("input", { type: "search", autocomplete: "off", spellcheck: "false" });
    field.addEventListener("input", () => {
      tools.wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      arrange(table, tools);
    });
    tools.bar.append(make("label", {}, "Filter rows ", field));
  }

  function filterRows(table, tools) {
    const rows = bodyRows(table);
    const cells = grid(rows);
    rows.forEach((row, r) => {
      if (!isOwn(row)) return;
      const together = withRest(row);
      const text = together.flatMap((_, i) => [...new Set(cells[r + i])].map(words)).join(" ").toLowerCase();
      const left = !tools.wanted.every((word) => text.includes(word));
      for (const each of together) each.classList.toggle("is-filtered", left);
    });
    for (const row of rows.filter(isGroup)) {
      const others = [...row.parentNode.rows].filter((other) => !isGroup(other));
      row.classList.toggle("is-filtered", others.every((other) => other.classList.contains("is-filtered")));
    }
    const counted = rows.filter(isOwn);
    const left = counted.filter((row) => !row.classList.contains("is-filtered"));
    tools.count.textContent = tools.wanted.length ? `${left.length} of ${counted.length} rows` : "";
  }

  /* The table in the order and with the rows that its reader asked for. */
  function arrange(table, tools) {
    if (tools.sorted) sortBy(table, tools.sorted.column, tools.sorted.direction);
    else fold(table);
    if (tools.wanted.length) unfold(table);
    filterRows(table, tools);
  }

  /* One value of CSV: numbers plain, text that a spreadsheet would calculate with an apostrophe before it. */
  function csvValue(text) {
    const plain = text.replace(/\u202f/g, " ");
    if (/^[+−-]?\d[\d,]*(\.\d+)?$/.test(plain)) return plain.replace("−", "-").replace(/[+,]/g, "");
    const safe = /^'*[=+\-@\t\r\n＝＋－＠]/.test(plain) ? `'${plain}` : plain;
    return /[",;\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
  }

  /* How a column is called, after its heads: alone, or beside one of what stands in small letters in its cells. The
     last thing that heads say in small letters is then said of what is small, all before it of the rest. */
  function namesOf(table, heads) {
    const name = heads.map((head) => textOf(head)).filter(Boolean).join(" ");
    const small = heads.map((head) => textOf(head, true)).filter(Boolean).join(" ");
    const named = (more) => [name, more].filter(Boolean).join(": ");
    const before = small.split(", ");
    const last = before.pop() || table.dataset.aside;
    return {
      alone: named(small),
      beside: named(before.join(", ")),
      small: named(last || "remark"),
      smallAlone: named(small || table.dataset.aside),
    };
  }

  /* The table as it is shown. What stands in small letters in any cell of a column is a column of its own, and so are
     the paragraphs below rows. */
  function csvOf(table) {
    const heads = grid([...table.tHead.rows]);
    const rows = bodyRows(table);
    const listed = rows.filter((row) => isShown(row) && isOwn(row));
    const cells = grid(rows).filter((_, r) => listed.includes(rows[r]));
    const columns = [];
    for (let c = 0; c < Math.max(...heads.map((row) => row.length)); c += 1) {
      const over = [...new Set(heads.map((row) => row[c]).filter(Boolean))];
      if (over.some((cell) => cell.classList.contains("is-hidden"))) continue;
      const own = cells.map((row) => (row[c] && row.indexOf(row[c]) === c ? row[c] : null));
      const [texts, smalls] = [false, true].map((aside) => own.map((cell) => (cell ? textOf(cell, aside) : "")));
      const names = namesOf(table, over);
      if (!smalls.some(Boolean)) columns.push([names.alone, ...texts]);
      else if (!texts.some(Boolean)) columns.push([names.smallAlone, ...smalls]);
      else columns.push([names.beside, ...texts], [names.small, ...smalls]);
    }
    const said = listed.map((row) => withRest(row).flatMap((each) => all(":scope.rests > td > p", each)).map(words));
    if (said.some((each) => each.length)) columns.push(["remarks", ...said.map((each) => each.join(" "))]);
    return [-1, ...listed.keys()].map((r) => `${columns.map((each) => csvValue(each[r + 1])).join(",")}\n`).join("");
  }

  function enliven(table) {
    if (!table.tHead || table.dataset.plain !== undefined) return;
    const rows = bodyRows(table).filter((row) => !isRest(row)).length;
    if (rows < 2) return;
    const name = headingOf(table);
    const tools = {
      bar: make("div", { class: "tools", role: "group", "aria-label": `Table: ${name}` }),
      count: make("output"),
      sorted: null,
      wanted: [],
    };
    offerSorting(table, tools);
    if (rows >= MANY) offerFilter(table, tools);
    tools.bar.append(
      tools.count,
      button("Save CSV", { "aria-label": `Save CSV: ${name}` }, () =>
        save(fileName(name, "csv"), [csvOf(table)], "text/csv;charset=utf-8"),
      ),
    );
    (table.closest(".scroll") ?? table).before(tools.bar);
  }

  // Variants

  const scopeOf = (element) => element.closest("[data-scope]") ?? document.body;

  /* What a chip stands for: rows, a column, a bar or a row of pictures. */
  function ownedBy(chip) {
    const cell = chip.closest("th, td");
    if (!cell) return [chip.closest(".bar, .row")].filter(Boolean);
    const table = cell.closest("table");
    if (cell.closest("thead")) {
      const heads = grid([...table.tHead.rows]);
      const row = heads.find((each) => each.includes(cell));
      const below = [...heads, ...grid(bodyRows(table))].flatMap((each) => each.filter((_, c) => row[c] === cell));
      return [cell, ...new Set(below.filter((each) => each.colSpan === 1 && each !== cell))];
    }
    const row = cell.parentNode;
    if (cell.tagName === "TD" && row.cells[0] !== cell) return [];
    const rows = [...row.parentNode.rows];
    const spanned = rows.slice(rows.indexOf(row), rows.indexOf(row) + cell.rowSpan);
    return [...new Set(spanned.flatMap(withRest))];
  }

  /* By scope: which elements belong to which variants, and what is hidden and highlighted. */
  function readVariants() {
    const scopes = new Map();
    for (const marked of all("[data-variant]")) {
      const scope = scopeOf(marked);
      if (!scopes.has(scope))
        scopes.set(scope, { owned: new Map(), joins: [], hidden: new Set(), lit: new Set(), legends: [] });
      const { owned } = scopes.get(scope);
      const inLegend = marked.closest(".legend");
      const elements = inLegend ? [] : marked.matches(".variant") ? ownedBy(marked) : [marked];
      for (const element of elements) owned.set(element, [...(owned.get(element) ?? []), marked.dataset.variant]);
    }
    for (const element of all("[data-joins]"))
      scopes.get(scopeOf(element))?.joins.push({ element, variants: JSON.parse(element.dataset.joins) });
    return scopes;
  }

  function showVariants({ owned, joins, hidden, lit, legends }) {
    for (const { element, variants } of joins)
      element.classList.toggle("is-hidden", variants.filter((variant) => !hidden.has(variant)).length < 2);
    for (const [element, variants] of owned) {
      const isLit = variants.some((variant) => lit.has(variant));
      element.classList.toggle("is-hidden", variants.some((variant) => hidden.has(variant)));
      element.classList.toggle("is-lit", isLit);
      element.classList.toggle("is-dimmed", lit.size > 0 && !isLit);
    }
    for (const { variant, light, hide } of legends) {
      light.setAttribute("aria-pressed", lit.has(variant));
      hide.setAttribute("aria-pressed", hidden.has(variant));
    }
  }

  function offerLegend(legend, state, changed) {
    for (const chip of all(":scope > span > .variant[data-variant]", legend)) {
      const variant = chip.dataset.variant;
      const toggle = (set) => () => {
        if (!set.delete(variant)) set.add(variant);
        changed();
      };
      const light = button("", { class: "light", "aria-label": `Highlight ${variant}` }, toggle(state.lit));
      const hide = button("", { class: "hide", "aria-label": `Hide ${variant}`, title: "Hide" }, toggle(state.hidden));
      chip.before(light, hide);
      light.append(chip);
      state.legends.push({ variant, light, hide });
    }
  }

  /* A line at the foot of the window, and on top of what is printed: what is left out, and a way back. */
  function offerWayBack(scopes, changed) {
    const said = make("span", { role: "status" });
    const bar = make("p", { class: "left-out", hidden: "" }, said);
    bar.append(
      button("Show all", {}, () => {
        for (const state of scopes.values()) for (const set of [state.hidden, state.lit]) set.clear();
        changed();
      }),
    );
    document.querySelector("main").prepend(bar);
    return () => {
      const names = (what) => [...new Set([...scopes.values()].flatMap((state) => [...state[what]]))].join(", ");
      const parts = [["Hidden", names("hidden")], ["Highlighted", names("lit")]].filter(([, list]) => list);
      said.textContent = parts.map(([what, list]) => `${what}: ${list}. `).join("");
      bar.hidden = !parts.length;
    };
  }

  function offerVariants() {
    const scopes = readVariants();
    const changed = () => {
      for (const state of scopes.values()) showVariants(state);
      for (const svg of withPoints()) keepOneInReach(svg);
      sayLeftOut();
    };
    const sayLeftOut = offerWayBack(scopes, changed);
    for (const legend of all(".legend")) {
      const state = scopes.get(scopeOf(legend));
      if (state) offerLegend(legend, state, changed);
    }
    changed();
  }

  // Points

  const withPoints = () => new Set(all(".point").map((point) => point.ownerSVGElement));
  const inReach = (svg) => all(".point", svg).filter((point) => !point.classList.contains("is-hidden"));

  /* One point of a figure is reached with the tab key, the others from it with arrows. */
  function keepOneInReach(svg) {
    const points = inReach(svg);
    const one = points.find((point) => point.getAttribute("tabindex") === "0") ?? points[0];
    for (const point of all(".point", svg)) point.setAttribute("tabindex", point === one ? "0" : "-1");
  }

  function step(event) {
    const svg = event.currentTarget;
    const points = inReach(svg);
    const here = points.indexOf(event.target);
    const there = { ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1, Home: 0, End: -1 };
    if (here < 0 || !(event.key in there)) return;
    event.preventDefault();
    const next = points.at(there[event.key] % points.length);
    for (const point of points) point.setAttribute("tabindex", point === next ? "0" : "-1");
    next.focus();
  }

  function offerNumbers(svg, tip) {
    svg.setAttribute("role", "group");
    for (const point of all(".point", svg)) {
      const title = point.querySelector("title");
      point.setAttribute("role", "img");
      point.setAttribute("aria-label", title.textContent);
      title.remove();
      for (const type of ["pointerenter", "focus"]) point.addEventListener(type, () => tip.show(point));
      for (const type of ["pointerleave", "blur"]) point.addEventListener(type, tip.leave);
    }
    svg.addEventListener("keydown", step);
    keepOneInReach(svg);
  }

  function makeTip() {
    const box = make("div", { class: "tip", "aria-hidden": "true", hidden: "" });
    document.body.append(box);
    let shown = null;
    const hide = () => {
      shown = null;
      box.hidden = true;
    };
    const show = (point) => {
      shown = point;
      box.textContent = point.getAttribute("aria-label");
      box.hidden = false;
      const [at, own] = [point.getBoundingClientRect(), box.getBoundingClientRect()];
      const most = document.documentElement.clientWidth - own.width - 4;
      box.style.left = `${Math.max(Math.min(at.left + at.width / 2 - own.width / 2, most), 4)}px`;
      box.style.top = `${at.top > own.height ? at.top - own.height : at.bottom}px`;
    };
    const leave = (event) => event.relatedTarget !== box && event.relatedTarget !== shown && hide();
    const moved = () => shown && (shown === document.activeElement ? show(shown) : hide());
    box.addEventListener("pointerleave", leave);
    document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
    document.addEventListener("scroll", moved, { passive: true, capture: true });
    return { show, leave };
  }

  function nameRegions() {
    for (const region of all(".scroll[tabindex]:not([aria-label])")) {
      region.setAttribute("role", "group");
      region.setAttribute("aria-label", headingOf(region));
    }
  }

  /* Says how many columns are beyond the right edge of what a table is scrolled in. The line keeps its place at the
     end, so that the table does not move under the finger. */
  function sayBeyond(region) {
    const table = region.querySelector("table");
    if (!table?.tHead) return;
    const said = make("p", { class: "beyond", hidden: "" });
    region.before(said);
    region.classList.add("is-told");
    const say = () => {
      const edge = region.getBoundingClientRect().right;
      const isBeyond = (head) => {
        const end = head.getBoundingClientRect().right - parseFloat(getComputedStyle(head).paddingRight);
        return end > edge + 1;
      };
      const count = [...headersOf(table).values()].filter(isBeyond).length;
      said.hidden = region.scrollWidth <= region.clientWidth + 1;
      said.textContent = count ? `${count} more ${count === 1 ? "column" : "columns"} to the right` : "";
    };
    const resized = new ResizeObserver(say);
    resized.observe(region);
    resized.observe(table);
    region.addEventListener("scroll", say, { passive: true });
  }

  /* What is open where there is room is closed where there is none. */
  function foldWhereNarrow() {
    const narrow = matchMedia("screen and (max-width: 40rem)");
    const set = () => {
      for (const details of all("details[data-wide]")) details.open = !narrow.matches;
    };
    narrow.addEventListener("change", set);
    set();
  }

  // Paper

  /* Opens what would stay closed on paper for as long as it is printed. */
  function openForPrint() {
    const opened = [];
    const set = (open) => (details) => (details.open = open);
    addEventListener("beforeprint", () => {
      const closed = all("details:not([open], [data-folded])");
      opened.push(...closed);
      closed.forEach(set(true));
    });
    addEventListener("afterprint", () => opened.splice(0).forEach(set(false)));
  }

  const tip = makeTip();
  for (const svg of withPoints()) offerNumbers(svg, tip);
  if ("DecompressionStream" in window) for (const held of all("metadata[data-svg]")) offerFigure(held.parentNode);
  nameRegions();
  offerVariants();
  foldWhereNarrow();
  openForPrint();
  for (const table of all("table")) if (!table.parentElement.closest("table")) enliven(table);
  for (const region of all(".scroll")) sayBeyond(region);
})();
