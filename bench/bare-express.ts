/**
 * The ceilings of two lines, a process of its own: what Express and PostgreSQL do on this machine with nothing of ours
 * between them. Two routes, each one named prepared statement, on a pool of as many connections as gatehouse has.
 */
import type { AddressInfo } from 'node:net';
import express from 'express';
import pg from 'pg';

/** Moves a session on, as a refresh does, without asking whether it may. Which one says a JSON body, as there. */
const rotateSession = {
  name: 'rotate_session',
  text: `update auth.sessions
            set refresh_token_counter = refresh_token_counter + 1, refreshed_at = now() at time zone 'utc',
                updated_at = now()
          where id = $1::uuid
      returning id, user_id, refresh_token_counter, refreshed_at`,
};

/** The columns of a user that GoTrue's JSON has. */
const findUser = {
  name: 'find_user',
  text: `select id, aud, role, email, email_confirmed_at, invited_at, phone, phone_confirmed_at, confirmation_sent_at,
                confirmed_at, recovery_sent_at, email_change, email_change_sent_at, phone_change, phone_change_sent_at,
                reauthentication_sent_at, last_sign_in_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at,
                banned_until, deleted_at, is_anonymous
           from auth.users
          where id = $1::uuid`,
};

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: Number(process.env.POOL_SIZE) });
const app = express();
app.post('/sessions', express.json(), async (req, res) => {
  const { rows } = await pool.query({ ...rotateSession, values: [req.body.id] });
  res.json(rows[0]);
});
app.get('/users/:id', async (req, res) => {
  const { rows } = await pool.query({ ...findUser, values: [req.params.id] });
  res.json(rows[0]);
});

const server = app.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ url: `http://127.0.0.1:${port}` });
});
process.on('disconnect', () => process.exit());
