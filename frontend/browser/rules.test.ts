import { expect, test } from 'vitest';

import { violations } from './axe';
import { isDrawn, logIn, visit } from './browser';
import { onStage } from './stage';

const stage = onStage();

test('an administrator silences a rule for an hour in three clicks, sees it in force, and takes it back', async () => {
  const { page, faults } = await visit(stage.browser);
  await logIn(page, stage.at, stage.at.admin);
  await page.getByRole('link', { name: 'Rules' }).click();
  await page.getByRole('link', { name: 'R0012' }).click();
  const panel = page.getByRole('complementary', { name: 'Rule R0012' });
  await panel.getByRole('button', { name: 'Disable for an hour' }).click();
  await panel.getByText('disabled', { exact: true }).first().waitFor();
  const row = page.getByRole('row', { name: 'R0012' });
  await expect.poll(() => row.textContent()).toContain('disabled');
  await panel.getByText('silenced for an hour').first().waitFor();
  await panel.getByRole('button', { name: 'Undo' }).click();
  await panel.getByRole('button', { name: 'Disable for an hour' }).waitFor();
  await expect.poll(() => row.textContent()).toContain('enabled');
  expect(faults).toEqual([]);
});

test('what a change does is said before it is made', async () => {
  const { page } = await visit(stage.browser);
  await logIn(page, stage.at, stage.at.admin);
  await page.goto(`${stage.at.url}/rules?rule=R0012`);
  await page.getByText('Another state').click();
  await page.getByRole('form', { name: 'State of the rule' }).getByRole('combobox').first().selectOption('clipped');
  await page.getByText(/New tags are at most 0.50 sure for an hour: that lowers \d of its \d techniques/).waitFor();
  await page.getByLabel('Reason').fill('noisy on the weekend');
  await page.getByRole('button', { name: 'Clip confidence' }).click();
  await page.getByText('clipped ≤ 0.50').first().waitFor();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('button', { name: 'Disable for an hour' }).waitFor();
});

test('a viewer is shown no switch, and the server refuses one all the same', async () => {
  const { page } = await visit(stage.browser);
  await logIn(page, stage.at, stage.at.viewer);
  await page.goto(`${stage.at.url}/rules?rule=R0013`);
  await page.getByText('labelled lines').waitFor();
  expect(await page.getByRole('button', { name: 'Disable for an hour' }).count()).toBe(0);
  const status = await page.evaluate(async () => {
    const token = /decnet_csrf=([^;]+)/.exec(document.cookie)?.[1] ?? '';
    const answer = await fetch('/api/v1/ttp/rules/R0013/state', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': decodeURIComponent(token) },
      body: JSON.stringify({ mode: 'disabled', reason: 'because' }),
    });
    return answer.status;
  });
  expect(status).toBe(403);
});

test('the address of a filtered catalogue shows the same to whoever opens it', async () => {
  const { page } = await visit(stage.browser);
  await logIn(page, stage.at, stage.at.viewer);
  await page.goto(`${stage.at.url}/rules?text=T1105&maturity=stable`);
  await page.getByRole('link', { name: 'R0012' }).waitFor();
  expect(await page.getByRole('searchbox').inputValue()).toBe('T1105');
  expect(await page.getByRole('link', { name: 'R0001' }).count()).toBe(0);
});

test('rules and operations have no serious fault of accessibility', async () => {
  const { page } = await visit(stage.browser);
  await logIn(page, stage.at, stage.at.admin);
  for (const path of ['/rules?rule=R0012', '/operations', '/operations?part=access', '/operations?part=webhooks']) {
    await page.goto(stage.at.url + path);
    await isDrawn(page);
    expect(await violations(page), path).toEqual([]);
  }
});

test('an administrator makes a user, whose password is shown once', async () => {
  const { page, faults } = await visit(stage.browser);
  await logIn(page, stage.at, stage.at.admin);
  await page.goto(`${stage.at.url}/operations?part=access`);
  const form = page.getByRole('form', { name: 'New user' });
  await form.getByLabel('Name').fill('grace');
  await form.getByRole('button', { name: 'Add user' }).click();
  const dialog = page.getByRole('dialog', { name: 'The password of grace' });
  const password = await dialog.locator('code').textContent();
  await dialog.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('row', { name: /grace/ }).waitFor();
  const other = await visit(stage.browser);
  await logIn(other.page, stage.at, { name: 'grace', password: password ?? '' });
  expect(faults).toEqual([]);
});
