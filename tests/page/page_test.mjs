// What only a browser shows of the status page: its policy holds, it works without a script and brings itself up to date with one,
// it can be used by the keyboard alone, and it fits dark rooms and narrow screens.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { TOKEN, start, until } from "./daemon.mjs";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const shots = process.env.SCREENSHOTS;
if (shots) mkdirSync(shots, { recursive: true });

const daemon = await start();
const profile = mkdtempSync(join(tmpdir(), "leadsync-chromium-"));
const troubles = [];

/** A new profile for what a test does, so that nobody is signed in yet. */
async function open(options = {}) {
  const context = await chromium.launchPersistentContext(mkdtempSync(join(profile, "user-")), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: FLAGS, viewport: { width: 1280, height: 900 }, ...options,
  });
  const page = context.pages()[0] ?? await context.newPage();
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) troubles.push(message.text()); });
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("request", (request) => { if (!request.url().startsWith(daemon.address)) troubles.push(`asks for ${request.url()}`); });
  await page.addInitScript(() => document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`)));
  return { context, page };
}

const shot = async (page, name) => { if (shots) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true }); };
const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);

/** Presses Tab until what has the focus is this. */
async function tabTo(page, selector) {
  for (let presses = 0; presses < 120; presses += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return;
  }
  throw new Error(`Tab does not come to ${selector}`);
}

async function test(name, body) {
  try {
    await body();
  } catch (error) {
    error.message = `${name}: ${error.message}`;
    throw error;
  }
  assert.deepEqual(troubles, [], name);
  console.log(`ok  ${name}`);
}

async function prepare() {
  await until("the first sync is done", async () => (await daemon.command("status")).includes("in_step"));
  const open = async () => JSON.parse(await daemon.command("conflicts", "--json"));
  for (const conflict of await until("the first conflicts are found", async () => { const found = await open(); return found.length > 0 ? found : null; }, 5_000).catch(() => [])) {
    await daemon.command("resolve", String(conflict.conflict_id), "--take", "operate");
  }
  const pairs = async () => (await daemon.control("salesforce", "leads")).filter((lead) => lead.Operate_Lead_Id__c && !lead.IsDeleted);
  const some = await until("leads are paired", async () => { const found = await pairs(); return found.length >= 4 ? found : null; });
  await until("nothing is under way", async () => !(await daemon.command("status")).includes("pending"));
  for (const [number, lead] of some.slice(0, 2).entries()) {
    await daemon.control("operate", "edit", { id: Number(lead.Operate_Lead_Id__c), fields: { phone: `020 7946 000${number}` } });
    await daemon.control("salesforce", "edit", { id: lead.Id, fields: { Phone: `01632 96000${number}` } });
  }
  await daemon.control("operate", "create", { fields: { leadname: "<script>alert(1)</script> Pomelo & Söhne", lastname: "Print", email: "pomelo(at)print.example", location: "Hub City", leadsource: "Website" } });
  await until("a conflict is open and a lead parked", async () => (await open()).length >= 2 && JSON.parse(await daemon.command("parked", "--json")).length >= 1);
  const [conflict] = await open();
  return { id: conflict.operate_id, number: conflict.conflict_id, other: some[3].Operate_Lead_Id__c };
}

try {
  const { id, number, other } = await prepare();

  await test("every page loads without an error, and nothing comes from elsewhere", async () => {
    const { context, page } = await open();
    for (const path of ["/", "/parked", "/conflicts", "/search", "/sign-in", `/lead/operate/${id}`]) {
      const answer = await page.goto(daemon.address + path);
      assert.equal(answer.status(), 200, path);
      assert.equal(await page.locator("h1").count(), 1, path);
      assert.ok(await fits(page), `${path} is too wide`);
    }
    assert.equal(await page.locator("script:not([src]), [style], [onclick]").count(), 0);
    await context.close();
  });

  await test("without a script all is there, and forms work", async () => {
    const { context, page } = await open({ javaScriptEnabled: false });
    await page.goto(daemon.address);
    assert.equal(await page.getByRole("heading", { name: "Open conflicts" }).isVisible(), true);
    assert.equal(await page.getByRole("button", { name: "Stop refreshing" }).isVisible(), false);
    await page.getByRole("link", { name: "Search" }).click();
    await page.getByRole("searchbox").fill(id);
    await page.getByRole("button", { name: "Search" }).click();
    assert.equal(new URL(page.url()).pathname, `/lead/operate/${id}`);
    await page.getByRole("link", { name: "Sign in" }).first().click();
    await page.locator("#token").fill(TOKEN);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Pause writes" }).click();
    assert.match(await page.locator("#head").innerText(), /Writes are held back/);
    await page.getByRole("button", { name: "Resume writes" }).click();
    await page.getByRole("button", { name: "Sign out" }).click();
    assert.match(await page.locator("[role=status]").first().innerText(), /signed out/);
    await context.close();
  });

  await test("it brings itself up to date, and leaves alone what somebody is busy with", async () => {
    const { context, page } = await open();
    await page.goto(`${daemon.address}/lead/operate/${other}`);
    await daemon.control("operate", "edit", { id: Number(other), fields: { jobtitle: "Head of Refreshing" } });
    await page.getByText("Head of Refreshing").first().waitFor({ timeout: 30_000 });
    await page.goto(daemon.address);
    // Who has the focus in a list keeps it, and the list; what is elsewhere goes on.
    await page.locator("#conflicts a").first().focus();
    const before = await page.locator("#at").innerText();
    await until("the rest is refreshed", async () => await page.locator("#at").innerText() !== before, 20_000);
    assert.equal(await page.evaluate(() => document.activeElement.closest("#conflicts") !== null), true);
    // Held, it stays as it is.
    const hold = page.locator("#hold");
    await hold.click();
    assert.equal(await hold.getAttribute("aria-pressed"), "true");
    const held = await page.locator("#at").innerText();
    await page.waitForTimeout(7_000);
    assert.equal(await page.locator("#at").innerText(), held);
    // On a search page nothing is taken out of somebody's hands.
    await page.goto(`${daemon.address}/search`);
    await page.locator("#text").fill("half a wo");
    await page.waitForTimeout(6_000);
    assert.equal(await page.locator("#text").inputValue(), "half a wo");
    await context.close();
  });

  await test("it looks well in light and dark, wide and narrow", async () => {
    for (const colorScheme of ["light", "dark"]) {
      const { context, page } = await open({ colorScheme });
      await page.goto(daemon.address);
      const ground = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      const brightness = ground.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0);
      assert.equal(brightness > 384, colorScheme === "light", ground);
      for (const [size, width] of [["wide", 1280], ["narrow", 360]]) {
        await page.setViewportSize({ width, height: 800 });
        for (const [name, path] of [["overview", "/"], ["lead", `/lead/operate/${id}`], ["parked", "/parked"], ["conflicts", "/conflicts"], ["search", "/search"]]) {
          await page.goto(daemon.address + path);
          assert.ok(await fits(page), `${path} is wider than ${width} px`);
          if (["overview", "lead"].includes(name) || colorScheme === "light") await shot(page, `${name}-${size}-${colorScheme}`);
        }
      }
      await context.close();
    }
  });

  await test("a conflict is settled with the keyboard alone", async () => {
    const { context, page } = await open();
    await page.goto(daemon.address);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    assert.ok(await page.evaluate(() => document.activeElement.getBoundingClientRect().top >= 0), "the skip link is seen");
    await tabTo(page, "a[href='/sign-in']");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/sign-in");
    await tabTo(page, "#token");
    await page.keyboard.type(TOKEN);
    await page.keyboard.press("Enter");
    await page.waitForURL("**/?done=signed-in");
    await tabTo(page, `#conflicts a[href$='#conflict-${number}']`);
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(outline, "solid", "the focus is seen");
    await page.keyboard.press("Enter");
    await page.waitForURL(`**/lead/operate/${id}#conflict-${number}`);
    await shot(page, "lead-signed-in");
    await tabTo(page, "button[name=take][value=salesforce]");
    await page.keyboard.press("Enter");
    await page.waitForURL("**?done=resolved");
    assert.match(await page.locator(".flash").innerText(), /settled/);
    await page.locator("#history").getByText("Salesforce won").first().waitFor({ timeout: 30_000 });
    await until("the next cycle carries it out", async () => {
      const lead = (await daemon.control("operate", "leads")).find((lead) => String(lead.leadid) === id);
      return lead.phone.startsWith("01632 96000");
    });
    await page.goto(daemon.address);
    await shot(page, "overview-signed-in");
    await context.close();
  });

  await test("it says when the daemon does not answer any more", async () => {
    const { context, page } = await open();
    await page.goto(daemon.address);
    await daemon.stop();
    await page.getByText("leadsync does not answer").waitFor({ timeout: 20_000 });
    assert.ok(troubles.every((trouble) => trouble.includes("ERR_CONNECTION_REFUSED")), troubles.join("\n"));
    troubles.length = 0;
    await context.close();
  });
} catch (error) {
  console.error(daemon.log.slice(-10).join("\n"));
  console.error(error);
  process.exitCode = 1;
} finally {
  await daemon.stop();
  rmSync(profile, { recursive: true, force: true });
}
