/**
 * Random stories of a client and a server with histories, of which each seed is one. Frames are lost, late and
 * doubled; connections are lost; histories lose their beginning, or begin anew. `failures` compares what the
 * page saw with what was published: each message once and in order, or exactly one gap before the next one.
 */

/** A generator of numbers from 0 to 1 that repeats them for the same seed. */
function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Group {
  published = []; // the epoch of each message
  epoch = 1;
  offset = 0;
  kept = []; // { offset, frame }
  isJoined = false; // by the connection
  isHarmed = false; // since the last message that the page saw: once at most, so that one gap is due

  constructor(tag) {
    this.tag = tag;
  }

  get position() {
    return [`epoch-${this.epoch}`, this.offset];
  }
}

class Story {
  live = []; // frames on their way, in any order
  ordered = []; // frames that the server sends again, and its answers, in their order
  requests = []; // of the client, which the server has not seen yet
  unanswered = new Set();
  problems = [];
  read = 0; // frames of the connection that are among the requests

  constructor({ Served, pass }, SocketClient, seed) {
    this.random = seeded(seed);
    this.pass = pass;
    this.served = new Served(SocketClient);
    Math.random = this.random;
    this.groups = ["a", "b", "c"].slice(0, 1 + this.below(3)).map((tag) => new Group(tag));
    for (const group of this.groups) for (let n = this.below(4); n > 0; n -= 1) this.publish(group);
    this.join(this.groups);
    this.starts = new Map(this.groups.map((group) => [group, group.published.length]));
    this.served.client.on("message", (frame) => {
      this.groups.find(({ tag }) => tag === tagOf(frame.n ?? frame)).isHarmed = false;
    });
  }

  below(limit) {
    return Math.floor(this.random() * limit);
  }

  chance(share) {
    return this.random() < share;
  }

  some(list) {
    return list[this.below(list.length)];
  }

  publish(group, isReliable = false) {
    group.published.push(group.epoch);
    group.offset += 1;
    const text = `${group.tag}:${group.published.length}`;
    const frame = { $at: `${group.tag}.${group.offset}`, ...(this.chance(0.5) ? { n: text } : { $data: text }) };
    group.kept.push({ offset: group.offset, frame });
    if (!group.isJoined || (!isReliable && this.chance(0.15))) return;
    for (let copies = this.chance(0.1) ? 2 : 1; copies > 0; copies -= 1) this.live.push(frame);
  }

  join(groups) {
    for (const group of groups) group.isJoined = true;
    if (groups.length) this.served.joined(Object.fromEntries(groups.map((group) => [group.tag, group.position])));
  }

  /** The history is lost. What is on its way arrives before the client hears of it, or never. */
  renumber(group) {
    if (group.isHarmed) return;
    for (const frame of this.ordered.splice(0)) this.deliver(frame);
    this.live = this.live.filter(({ $at }) => tagOf($at) !== group.tag);
    Object.assign(group, { isHarmed: true, epoch: group.epoch + 1, offset: this.below(4), kept: [] });
    if (group.isJoined) this.join([group]);
  }

  trim(group) {
    if (group.isHarmed) return;
    group.isHarmed = true;
    group.kept.splice(0, this.below(group.kept.length + 1));
  }

  lose() {
    this.served.lose();
    Object.assign(this, { live: [], ordered: [], requests: [], read: 0 });
    this.unanswered.clear();
    for (const group of this.groups) group.isJoined = false;
    for (let n = this.below(20); n > 0; n -= 1) this.publish(this.some(this.groups));
    if (this.chance(0.3)) this.trim(this.some(this.groups));
    if (this.chance(0.1)) this.renumber(this.some(this.groups));
    this.served.reconnect({});
    this.join(this.groups.filter(() => this.chance(0.8)));
  }

  deliver(frame) {
    for (const tag of Object.keys(frame.$resumed ?? {})) this.unanswered.delete(tag);
    this.served.send(frame);
    this.readRequests();
  }

  readRequests() {
    for (const asked of this.served.asked.slice(this.read)) {
      this.read += 1;
      for (const request of Object.entries(asked)) {
        if (this.unanswered.has(request[0])) this.problems.push(`${request[0]} is asked for twice at a time`);
        this.unanswered.add(request[0]);
        this.requests.push(request);
      }
    }
  }

  deliverOne() {
    const late = this.below(Math.min(5, this.live.length));
    if (this.live.length && this.chance(0.5)) this.deliver(...this.live.splice(late, 1));
    else if (this.ordered.length) this.deliver(this.ordered.shift());
  }

  answerOne() {
    if (!this.requests.length) return;
    const [tag, [epoch, offset]] = this.requests.shift();
    const group = this.groups.find((each) => each.tag === tag);
    const following = group.kept.filter((each) => each.offset > offset);
    const isGone = epoch !== group.position[0] || following.length !== group.offset - offset;
    if (!isGone && this.chance(0.1)) return this.ordered.push({ $resumed: { [tag]: "later" } });
    if (isGone) return this.ordered.push({ $resumed: { [tag]: "gap" } });
    const page = following.splice(0, 1 + this.below(6)).map(({ frame }) => frame);
    if (this.chance(0.2)) page.reverse();
    if (page.length && this.chance(0.2)) page.push(this.some(page));
    this.ordered.push(...page, { $resumed: { [tag]: following.length ? "more" : "ok" } });
  }

  step() {
    const draw = this.random();
    if (draw < 0.35) this.publish(this.some(this.groups));
    else if (draw < 0.75) this.deliverOne();
    else if (draw < 0.88) this.answerOne();
    else if (draw < 0.95) this.pass(this.below(300));
    else if (draw < 0.97) this.join(this.groups.filter((group) => !group.isJoined));
    else if (draw < 0.98) this.renumber(this.some(this.groups));
    else this.lose();
    this.readRequests();
  }

  /** Nothing else happens until the client is complete. */
  settle() {
    this.join(this.groups.filter((group) => !group.isJoined));
    for (const group of this.groups) this.publish(group, true);
    for (let idle = 0; idle < 2; idle += 1) {
      for (const frame of [...this.live.splice(0), ...this.ordered.splice(0)]) this.deliver(frame);
      this.pass(1_000);
      this.readRequests();
      if (this.requests.length) idle = 0;
      while (this.requests.length) this.answerOne();
    }
  }

  /** What is wrong in the log of the page, for one group. */
  check(group) {
    let [last, gaps, missed] = [this.starts.get(group), 0, 0];
    for (const entry of this.served.log) {
      if (entry.groups?.includes(group.tag)) [gaps, missed] = [gaps + 1, entry.missed];
      if (typeof entry !== "string" || tagOf(entry) !== group.tag) continue;
      const number = Number(entry.split(":")[1]);
      const isRenumbered = group.published[number - 1] !== (group.published[last - 1] ?? 1);
      const lost = number - last - 1;
      if (lost < 0) this.problems.push(`${entry} comes after ${last}`);
      if (gaps !== Number(lost > 0 || isRenumbered)) this.problems.push(`${gaps} gaps before ${entry}, ${lost} lost`);
      if (gaps && !isRenumbered && missed !== lost) this.problems.push(`${missed} missed before ${entry}, not ${lost}`);
      [last, gaps] = [number, 0];
    }
    if (last !== group.published.length) this.problems.push(`${group.tag} ends with ${last}`);
  }
}

const tagOf = (text) => text.split(/[.:]/)[0];

/** The problems of all stories from one seed to another, each with its seed. */
export function failures(page, SocketClient, first, end) {
  const found = [];
  for (let seed = first; seed < end; seed += 1) {
    const story = new Story(page, SocketClient, seed);
    for (let phase = 0; phase < 4; phase += 1) {
      for (let step = 0; step < 120; step += 1) story.step();
      story.settle();
    }
    for (const group of story.groups) story.check(group);
    if (story.problems.length) found.push([seed, story.problems[0]]);
  }
  return found;
}
