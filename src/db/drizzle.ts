/**
 * drizzle, loaded as CommonJS. Of an ES module Node looks for the package it is in, and reads that package.json: drizzle's has
 * thousands of lines, and its modules are hundreds. As ES modules they take half a second of every start, and 170 MB.
 */
import { createRequire } from 'node:module';

export type { SQL } from 'drizzle-orm';
export type { NodePgDatabase } from 'drizzle-orm/node-postgres';

const require = createRequire(import.meta.url);
const core: typeof import('drizzle-orm') = require('drizzle-orm');
const postgres: typeof import('drizzle-orm/pg-core') = require('drizzle-orm/pg-core');
const nodePostgres: typeof import('drizzle-orm/node-postgres') = require('drizzle-orm/node-postgres');

export const { and, asc, DrizzleQueryError, desc, eq, gte, inArray, lt, lte, or, sql } = core;
export const {
  bigint,
  boolean,
  customType,
  inet,
  integer,
  json,
  jsonb,
  PgDialect,
  pgSchema,
  primaryKey,
  smallint,
  text,
  timestamp,
  uuid,
  varchar,
} = postgres;
export const { drizzle } = nodePostgres;
