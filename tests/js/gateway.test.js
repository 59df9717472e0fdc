// The unmodified supabase-js against the gateway. Run by tests/integration/gateway/test_supabase_js.py,
// which puts the gateway's address, its keys and a person who can sign in into the environment.
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'

import { createClient } from '@supabase/supabase-js'
import ws from 'ws'

const { GATEWAY_URL, GATEWAY_KEY, SECRET_KEY, EMAIL, PASSWORD, USER_TOKEN, EXPIRED_TOKEN } = process.env

// Node 20 has no WebSocket of its own, and createClient refuses to start without one.
const base = { auth: { autoRefreshToken: false, persistSession: false }, realtime: { transport: ws } }
const connect = (options = {}) => createClient(GATEWAY_URL, GATEWAY_KEY, { ...base, ...options })
const admin = createClient(GATEWAY_URL, SECRET_KEY, base)
const ids = ({ data, error }) => {
  assert.equal(error, null)
  return data.map((row) => row.id)
}

beforeEach(async () => {
  assert.equal((await admin.rpc('reset_tables')).error, null)
})

const filters = [
  ['eq', (q) => q.eq('id', 1), [1]],
  ['neq', (q) => q.neq('id', 1), [2, 3, 4]],
  ['gt', (q) => q.gt('price', 10.5), [2]],
  ['gte', (q) => q.gte('price', 10.5), [1, 2]],
  ['lt', (q) => q.lt('price', 10.5), [4]],
  ['lte', (q) => q.lte('price', 10.5), [1, 4]],
  ['is null', (q) => q.is('price', null), [3]],
  ['is true', (q) => q.is('is_done', true), [1, 4]],
  ['isDistinct', (q) => q.isDistinct('price', 20), [1, 3, 4]],
  ['like', (q) => q.like('name', 'al%'), [1]],
  ['ilike', (q) => q.ilike('name', 'DELTA%'), [4]],
  ['likeAllOf', (q) => q.likeAllOf('name', ['a%', '%a']), [1]],
  ['likeAnyOf', (q) => q.likeAnyOf('name', ['a%', 'b%']), [1, 2]],
  ['ilikeAllOf', (q) => q.ilikeAllOf('name', ['A%', '%A']), [1]],
  ['ilikeAnyOf', (q) => q.ilikeAnyOf('name', ['A%', 'B%']), [1, 2]],
  ['regexMatch', (q) => q.regexMatch('name', '^a'), [1]],
  ['regexIMatch', (q) => q.regexIMatch('name', '^A'), [1]],
  ['in', (q) => q.in('id', [1, 3]), [1, 3]],
  ['in with reserved characters', (q) => q.in('name', ['two, (three)', 'beta']), [2]],
  ['in of nothing', (q) => q.in('id', []), []],
  ['notIn', (q) => q.notIn('id', [1, 2]), [3, 4]],
  ['contains an array', (q) => q.contains('tags', ['red']), [1, 4]],
  ['contains an object', (q) => q.contains('data', { a: { b: 1 } }), [1]],
  ['contains a range', (q) => q.contains('during', '[4,5)'), [1, 4]],
  ['containedBy', (q) => q.containedBy('tags', ['blue', 'green']), [2, 3]],
  ['overlaps', (q) => q.overlaps('tags', ['blue']), [1, 2]],
  ['rangeGt', (q) => q.rangeGt('during', '[1,5)'), [2, 3]],
  ['rangeGte', (q) => q.rangeGte('during', '[3,6)'), [2, 3, 4]],
  ['rangeLt', (q) => q.rangeLt('during', '[5,10)'), [1]],
  ['rangeLte', (q) => q.rangeLte('during', '[3,6)'), [1, 4]],
  ['rangeAdjacent', (q) => q.rangeAdjacent('during', '[5,10)'), [1, 3]],
  ['textSearch', (q) => q.textSearch('words', 'cat'), [1, 4]],
  ['textSearch plain', (q) => q.textSearch('words', 'fat dog', { type: 'plain' }), [2]],
  ['textSearch phrase', (q) => q.textSearch('words', 'fat', { type: 'phrase', config: 'simple' }), [1, 2]],
  ['textSearch websearch', (q) => q.textSearch('words', 'dog or rat', { type: 'websearch' }), [1, 2]],
  ['match', (q) => q.match({ id: 1, name: 'alpha' }), [1]],
  ['not', (q) => q.not('price', 'is', null), [1, 2, 4]],
  ['or', (q) => q.or('id.eq.1,and(id.gt.2,price.is.null)'), [1, 3]],
  ['filter', (q) => q.filter('data->a->>b', 'eq', '2'), [2]],
  ['limit', (q) => q.limit(2), [1, 2]],
  ['range', (q) => q.range(1, 2), [2, 3]],
]
for (const [name, narrow, expected] of filters) {
  test(`filter: ${name}`, async () => {
    assert.deepEqual(ids(await narrow(connect().from('items').select('id').order('id'))), expected)
  })
}

test('a user signs in, sees their rows, refreshes and leaves', async () => {
  const client = connect()
  const titles = async () => (await client.from('documents').select('title')).data.map((row) => row.title)
  assert.deepEqual(await titles(), [])
  const { data, error } = await client.auth.signInWithPassword({ email: EMAIL, password: PASSWORD })
  assert.equal(error, null)
  const written = await client.from('documents').insert({ owner_id: data.user.id, title: 'mine' }).select().single()
  assert.equal(written.status, 201)
  assert.equal(written.data.title, 'mine')
  assert.deepEqual(await titles(), ['mine'])

  const refreshed = await client.auth.refreshSession()
  assert.equal(refreshed.error, null)
  assert.notEqual(refreshed.data.session.refresh_token, data.session.refresh_token)
  assert.deepEqual(await titles(), ['mine'])
  assert.equal((await client.auth.getUser()).data.user.email, EMAIL)

  assert.equal((await client.auth.signOut()).error, null)
  assert.deepEqual(await titles(), [])
})

test('a wrong password says so', async () => {
  const { error } = await connect().auth.signInWithPassword({ email: EMAIL, password: 'wrong' })
  assert.deepEqual([error.status, error.code], [400, 'invalid_credentials'])
})

test('reading', async () => {
  const items = connect().from('items')
  const page = await items.select('id', { count: 'exact' }).order('id', { ascending: false }).limit(2)
  assert.deepEqual([page.data, page.count, page.status], [[{ id: 4 }, { id: 3 }], 4, 206])
  assert.equal((await items.select('*', { count: 'exact', head: true })).count, 4)
  assert.deepEqual((await items.select('number:id, data->a->>b').eq('id', 1).single()).data, { number: 1, b: '1' })
  assert.equal((await items.select('id').eq('id', 9).maybeSingle()).data, null)
  const ordered = await items.select('id').order('price', { ascending: false, nullsFirst: false })
  assert.deepEqual(ids(ordered), [2, 1, 4, 3])
  const stripped = await items.select('id, price').eq('id', 3).stripNulls()
  assert.deepEqual(stripped.data, [{ id: 3 }])
})

test('writing', async () => {
  const client = connect()
  const plain = await client.from('pairs').insert({ a: 2, b: 1 })
  assert.deepEqual([plain.status, plain.data, plain.error], [201, null, null])
  const many = await client.from('pairs').insert([{ a: 3, b: 1, note: 'x' }, { a: 3, b: 2 }], { defaultToNull: false }).select()
  assert.deepEqual(many.data.map((row) => row.note), ['x', 'none'])
  const merged = await client.from('pairs').upsert({ a: 1, b: 1, note: 'new' }, { onConflict: 'a,b' }).select()
  assert.deepEqual([merged.status, merged.data], [200, [{ a: 1, b: 1, note: 'new' }]])
  const ignored = await client.from('pairs').upsert({ a: 1, b: 1, note: 'no' }, { ignoreDuplicates: true }).select()
  assert.deepEqual(ignored.data, [])
  const updated = await client.from('items').update({ name: 'c' }, { count: 'exact' }).lt('id', 3)
  assert.deepEqual([updated.status, updated.count], [204, 2])
  assert.deepEqual(ids(await client.from('items').delete().eq('id', 4).select('id')), [4])
  const held = await client.from('items').delete().gt('id', 0).maxAffected(1)
  assert.equal(held.error.code, 'PGRST124')
  assert.deepEqual(ids(await client.from('items').select('id').order('id')), [1, 2, 3])
})

test('calling', async () => {
  const client = connect()
  assert.equal((await client.rpc('add_numbers', { a: 2, b: 3 })).data, 5)
  assert.equal((await client.rpc('add_numbers', { a: 2 }, { get: true })).data, 3)
  assert.deepEqual((await client.rpc('echo_list', { p: ['a', 'b c'] }, { get: true })).data, ['a', 'b c'])
  const nothing = await client.rpc('do_nothing')
  assert.deepEqual([nothing.status, nothing.data], [204, null])
  assert.equal((await client.rpc('item_labels')).data[0], 'alpha')
  assert.equal((await client.rpc('one_item', { p_id: 2 })).data.name, 'beta')
  const rows = await client.rpc('all_items', {}, { count: 'exact' }).select('id').gt('id', 1).order('id').limit(2)
  assert.deepEqual([ids(rows), rows.count], [[2, 3], 3])
  assert.deepEqual((await client.rpc('all_items').eq('id', 1).select('id').single()).data, { id: 1 })
})

const failures = [
  ['an unknown table', (c) => c.from('zzzzzzzz').select(), 404, 'PGRST205'],
  ['an unknown column', (c) => c.from('items').select('zzz'), 400, '42703'],
  ['several rows for one', (c) => c.from('items').select().single(), 406, 'PGRST116'],
  ['embedding', (c) => c.from('items').select('id, pairs(*)'), 400, 'PGRST127'],
  ['explain', (c) => c.from('items').select().explain(), 400, 'PGRST127'],
  ['csv', (c) => c.from('items').select().csv(), 400, 'PGRST127'],
  ['planned counts', (c) => c.from('items').select('*', { count: 'planned' }), 400, 'PGRST127'],
  ['a duplicate', (c) => c.from('pairs').insert({ a: 1, b: 1 }), 409, '23505'],
  ['a column that is not there', (c) => c.from('pairs').insert({ zzz: 1 }), 400, 'PGRST204'],
  ['a function that is not there', (c) => c.rpc('zzzzzzzz', { z: 1 }), 404, 'PGRST202'],
  ['an ambiguous function', (c) => c.rpc('pick', { a: 1 }), 300, 'PGRST203'],
  ['an error of its own', (c) => c.rpc('fail_with', { p_state: 'PT402', p_detail: 'd' }), 402, 'PT402'],
  ['a write by GET', (c) => c.rpc('make_item', { p_name: 'x' }, { get: true }), 405, '25006'],
  ['another schema', (c) => c.schema('hidden').from('things').select(), 406, 'PGRST106'],
  ['no right', (c) => c.from('locked').select(), 401, '42501'],
]
for (const [name, act, status, code] of failures) {
  test(`error: ${name}`, async () => {
    const answer = await act(connect())
    assert.deepEqual([answer.status, answer.error.code, answer.data], [status, code, null])
  })
}

test('a token of its own: accessToken, header, and an expired one', async () => {
  const own = connect({ accessToken: async () => USER_TOKEN })
  assert.deepEqual((await own.from('documents').select('title')).data, [{ title: 'of a' }])
  const header = connect().from('documents').select('title').setHeader('Authorization', `Bearer ${USER_TOKEN}`)
  assert.deepEqual((await header).data, [{ title: 'of a' }])
  const expired = await connect({ accessToken: async () => EXPIRED_TOKEN }).from('documents').select()
  assert.deepEqual([expired.status, expired.error.code, expired.error.message], [401, 'PGRST303', 'JWT expired'])
})

test('functions and realtime are said not to be there', async () => {
  const client = connect()
  const { error } = await client.functions.invoke('hello')
  assert.equal(error.name, 'FunctionsHttpError')
  assert.equal(error.context.status, 404)
  const state = await new Promise((resolve) => client.channel('any').subscribe(resolve))
  assert.equal(state, 'CHANNEL_ERROR')
  await client.removeAllChannels()
  client.realtime.disconnect()
})
