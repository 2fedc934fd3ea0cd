// The marks as a table that is linked with the film: a row goes to its place, a place to its row.
const TABLES = new WeakMap();
const SIGNS = { open: "○ open", accepted: "✓ accepted", rejected: "✗ rejected" };

class MarkTable {
  constructor(root) {
    this.frame = element("div", "marks");
    this.bar = element("div", "filters");
    this.box = element("div", "scroll");
    this.table = element("table");
    this.table.setAttribute("aria-label", "Marks of the film");
    this.table.setAttribute("role", "grid");
    this.box.append(this.table);
    this.box.tabIndex = 0;
    this.frame.append(this.bar, this.box);
    root.append(this.frame);
    this.sort = { by: "number", down: false };
    this.filter = { text: "", verdict: "all" };
    this.filters();
    this.listener = (what) => { this.fill(what === "selected"); };
    acts.listeners.add(this.listener);
    acts.order = () => this.rows().map((row) => row.number);
  }

  close() {
    acts.listeners.delete(this.listener);
    acts.order = null;
  }

  filters() {
    const text = element("input");
    Object.assign(text, { type: "search", placeholder: "Filter by class or note" });
    text.setAttribute("aria-label", "Filter by class or note");
    text.addEventListener("input", () => { this.filter.text = text.value.toLowerCase(); this.fill(); });
    const verdicts = element("select");
    verdicts.setAttribute("aria-label", "Which verdicts are listed");
    for (const name of ["all", "open", "accepted", "rejected"]) verdicts.append(element("option", "", name));
    verdicts.addEventListener("input", () => { this.filter.verdict = verdicts.value; this.fill(); });
    this.bar.append(text, verdicts);
  }

  update(data) {
    this.data = data;
    const head = element("tr");
    data.columns.forEach(({ key, title }) => {
      const cell = element("th");
      const item = button(title, `Sort by ${title.toLowerCase()}`, () => {
        this.sort = { by: key, down: this.sort.by === key && !this.sort.down };
        this.fill();
      });
      cell.append(item);
      cell.dataset.key = key;
      head.append(cell);
    });
    const top = element("thead");
    top.append(head);
    this.body = element("tbody");
    this.table.replaceChildren(top, this.body);
    this.fill();
  }

  rows() {
    const verdicts = new Map(seenMarks().map((mark) => [mark.number, mark.verdict]));
    const rows = (this.data?.rows ?? []).map((row) => ({ ...row, verdict: verdicts.get(row.number) ?? row.verdict }));
    const { text, verdict: wanted } = this.filter;
    const kept = rows.filter((row) => (wanted === "all" || row.verdict === wanted) && `${row.class} ${row.note} ${row.iso}`.toLowerCase().includes(text));
    const { by, down } = this.sort;
    const value = (row) => row[by] ?? -Infinity;
    kept.sort((one, other) => (value(one) < value(other) ? -1 : value(one) > value(other) ? 1 : one.number - other.number) * (down ? -1 : 1));
    return kept;
  }

  fill(follow = false) {
    if (!this.data) return;
    this.table.querySelectorAll("th").forEach((cell) => {
      const on = cell.dataset.key === this.sort.by;
      cell.setAttribute("aria-sort", on ? (this.sort.down ? "descending" : "ascending") : "none");
    });
    this.body.replaceChildren(...this.rows().map((row) => this.line(row)));
    if (!this.body.children.length) {
      const cell = element("td", "none", this.data.rows.length ? "No mark passes the filter." : this.data.empty);
      cell.colSpan = this.data.columns.length;
      const only = element("tr");
      only.append(cell);
      this.body.append(only);
    }
    if (follow) this.body.querySelector(".chosen")?.scrollIntoView({ block: "nearest" });
  }

  line(row) {
    const chosen = row.number === acts.selected;
    const line = element("tr", `${chosen ? "chosen " : ""}${row.verdict}`);
    line.setAttribute("aria-selected", chosen);
    this.data.columns.forEach(({ key, number }) => {
      const text = key === "verdict" ? SIGNS[row.verdict] : key === "score" ? row.score_text : row[key] ?? "";
      line.append(element("td", number ? "number" : "", String(text)));
    });
    line.addEventListener("click", () => select(row.number));
    return line;
  }
}

export default mount(TABLES, MarkTable);
