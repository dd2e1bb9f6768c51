"""Every invariant of the database, each by name: a query that finds what breaks it, as (key, what was found).

What the schema itself refuses (CHECK, UNIQUE, foreign keys) is not repeated here. `%(chain)s` is the chain's primary key.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Invariant:
    """`says`: what holds. `sql` gives a row for each place where it doesn't. `of_chain`: asked for each chain apart."""

    name: str
    says: str
    sql: str
    of_chain: bool = True


LEDGER = [
    Invariant(
        "ledger.balance",
        "an account's balance is the sum of its transfers that are not void",
        """
        SELECT 'account ' || a.id, a.balance || ' stored, ' || coalesce(s.amount, 0) || ' by its transfers'
          FROM escrow_account a LEFT JOIN (
               SELECT account, sum(amount) AS amount FROM (
                      SELECT t.credit_id AS account, t.amount FROM escrow_transfer t WHERE t.state <> 'void'
                       UNION ALL
                      SELECT t.debit_id, -t.amount FROM escrow_transfer t WHERE t.state <> 'void') legs
                GROUP BY account) s ON s.account = a.id
         WHERE a.chain_id = %(chain)s
           AND a.balance <> CASE WHEN a.kind = 'external' THEN -1 ELSE 1 END * coalesce(s.amount, 0)
        """,
    ),
    Invariant(
        "ledger.sum",
        "per token, what came in and has not gone out is free, locked or fees",
        """
        SELECT encode(token, 'hex'),
               sum(balance) FILTER (WHERE kind = 'external') || ' came in, '
               || sum(balance) FILTER (WHERE kind <> 'external') || ' is there'
          FROM escrow_account WHERE chain_id = %(chain)s GROUP BY token
        HAVING coalesce(sum(balance) FILTER (WHERE kind = 'external'), 0)
            <> coalesce(sum(balance) FILTER (WHERE kind <> 'external'), 0)
        """,
    ),
    Invariant(
        "ledger.posted",
        "no transfer above the final block is posted",
        """
        SELECT 'transfer ' || t.id, 'posted in block ' || e.block_number || ', final is ' || c.final_number
          FROM escrow_transfer t JOIN escrow_chainevent e ON e.id = t.event_id
          JOIN escrow_chaincursor c ON c.chain_id = e.chain_id
         WHERE e.chain_id = %(chain)s AND t.state = 'posted' AND e.block_number > c.final_number
        """,
    ),
    Invariant(
        "ledger.pending",
        "no transfer up to the final block is pending",
        """
        SELECT 'transfer ' || t.id, 'pending in block ' || e.block_number || ', final is ' || c.final_number
          FROM escrow_transfer t JOIN escrow_chainevent e ON e.id = t.event_id
          JOIN escrow_chaincursor c ON c.chain_id = e.chain_id
         WHERE e.chain_id = %(chain)s AND t.state = 'pending' AND e.block_number <= c.final_number
        """,
    ),
    Invariant(
        "ledger.void",
        "a transfer is void exactly when its event is not canonical",
        """
        SELECT 'transfer ' || t.id, t.state || CASE WHEN e.canonical THEN ', canonical' ELSE ', not canonical' END
          FROM escrow_transfer t JOIN escrow_chainevent e ON e.id = t.event_id
         WHERE e.chain_id = %(chain)s AND (t.state = 'void') = e.canonical
        """,
    ),
    Invariant(
        "ledger.locked",
        "the account of a deal holds what was put in and not paid out",
        """
        SELECT encode(d.deal_id, 'hex'),
               coalesce(a.balance, 0) || ' in its account, '
               || d.payment + d.collateral + d.bond - d.paid_to_buyer - d.paid_to_seller - d.fee_paid || ' by its sums'
          FROM escrow_deal d LEFT JOIN escrow_account a
            ON a.chain_id = d.chain_id AND a.kind = 'locked' AND a.deal_id = d.deal_id
         WHERE d.chain_id = %(chain)s
           AND coalesce(a.balance, 0)
            <> d.payment + d.collateral + d.bond - d.paid_to_buyer - d.paid_to_seller - d.fee_paid
        """,
    ),
    Invariant(
        "ledger.funds",
        "a maker's funds are his free balance in the ledger",
        """
        SELECT encode(f.maker, 'hex'), f.free || ' as funds, ' || coalesce(a.balance, 0) || ' in the ledger'
          FROM points_makerfunds f JOIN points_paytoken p ON p.id = f.pay_token_id
          LEFT JOIN escrow_account a
            ON a.chain_id = p.chain_id AND a.kind = 'free' AND a.token = p.address AND a.owner = f.maker
         WHERE p.chain_id = %(chain)s AND f.free <> coalesce(a.balance, 0)
         UNION ALL
        SELECT encode(a.owner, 'hex'), 'no funds, ' || a.balance || ' in the ledger'
          FROM escrow_account a JOIN points_paytoken p ON p.chain_id = a.chain_id AND p.address = a.token
         WHERE a.chain_id = %(chain)s AND a.kind = 'free' AND a.balance > 0
           AND NOT EXISTS (SELECT 1 FROM points_makerfunds f WHERE f.pay_token_id = p.id AND f.maker = a.owner)
        """,
    ),
]

READING = [
    Invariant(
        "chain.linked",
        "from the final block to the tip, canonical headers are linked and none is missing",
        """
        SELECT 'block ' || number, 'does not follow block ' || before FROM (
               SELECT number, parent_hash, lag(number) OVER w AS before, lag(hash) OVER w AS before_hash
                 FROM escrow_block b
                WHERE chain_id = %(chain)s AND canonical
                  AND number >= (SELECT final_number FROM escrow_chaincursor c WHERE c.chain_id = b.chain_id)
               WINDOW w AS (ORDER BY number)) pairs
         WHERE number <> before + 1 OR parent_hash <> before_hash
        """,
    ),
    Invariant(
        "chain.tip",
        "the tip is the highest canonical block, and the chain's head is that block",
        """
        SELECT 'block ' || k.tip_number, 'tip ' || encode(k.tip_hash, 'hex') || ', highest ' || coalesce(b.number::text, 'none')
               || ', head ' || coalesce(c.head_number::text, 'none') || ' at ' || coalesce(c.head_time::text, 'no time')
          FROM escrow_chaincursor k JOIN core_chain c ON c.id = k.chain_id
          LEFT JOIN LATERAL (SELECT * FROM escrow_block b WHERE b.chain_id = k.chain_id AND b.canonical
                              ORDER BY number DESC LIMIT 1) b ON true
         WHERE k.chain_id = %(chain)s
           AND (k.tip_number, k.tip_hash, k.tip_number, k.tip_hash, b.timestamp)
               IS DISTINCT FROM (b.number, b.hash, c.head_number, c.head_hash, c.head_time)
        """,
    ),
    Invariant(
        "chain.depths",
        "final ≤ safe ≤ head, and final is the same for reader and venue",
        """
        SELECT 'chain', 'final ' || coalesce(c.final_number::text, 'none') || ' (reader ' || k.final_number || '), safe '
               || coalesce(c.safe_number::text, 'none') || ', head ' || c.head_number
          FROM escrow_chaincursor k JOIN core_chain c ON c.id = k.chain_id
         WHERE k.chain_id = %(chain)s
           AND NOT (coalesce(c.final_number, -1) = k.final_number
                    AND k.final_number <= coalesce(c.safe_number, -1) AND coalesce(c.safe_number, -1) <= c.head_number)
        """,
    ),
    Invariant(
        "chain.staged",
        "what is staged lies above the tip, and each staged log in a staged block",
        """
        SELECT 'block ' || s.number, 'not above the tip ' || k.tip_number FROM escrow_stagedblock s
          JOIN escrow_chaincursor k ON k.chain_id = s.chain_id WHERE s.chain_id = %(chain)s AND s.number <= k.tip_number
         UNION ALL
        SELECT 'log ' || l.block_number || '/' || l.log_index, 'its block is not staged' FROM escrow_stagedlog l
         WHERE l.chain_id = %(chain)s
           AND NOT EXISTS (SELECT 1 FROM escrow_stagedblock s WHERE s.chain_id = l.chain_id AND s.number = l.block_number)
        """,
    ),
    Invariant(
        "chain.unread",
        "a chain without a tip has no head and no canonical block",
        """
        SELECT 'chain', 'head ' || coalesce(c.head_number::text, 'none') || ', but no tip' FROM core_chain c
         WHERE c.id = %(chain)s AND NOT EXISTS (SELECT 1 FROM escrow_chaincursor k WHERE k.chain_id = %(chain)s)
           AND (c.head_number IS NOT NULL
                OR EXISTS (SELECT 1 FROM escrow_block b WHERE b.chain_id = %(chain)s AND b.canonical))
        """,
    ),
    Invariant(
        "events.block",
        "a canonical event lies in a canonical block of its chain and number, not above the tip",
        """
        SELECT 'event ' || e.id, 'in block ' || e.block_number || ' of the events, ' || b.number || ' of the blocks'
               || CASE WHEN b.canonical THEN '' ELSE ', not canonical' END
          FROM escrow_chainevent e JOIN escrow_block b ON b.id = e.block_id
          LEFT JOIN escrow_chaincursor k ON k.chain_id = e.chain_id
         WHERE e.chain_id = %(chain)s AND e.canonical
           AND NOT (b.canonical AND b.chain_id = e.chain_id AND b.number = e.block_number
                    AND e.block_number <= coalesce(k.tip_number, -1))
        """,
    ),
]

PROJECTIONS = [
    Invariant(
        "offers.filled",
        "an offer's filled units are those of its deals",
        """
        SELECT encode(o.offer_hash, 'hex'), o.filled_units || ' stored, ' || coalesce(s.units, 0) || ' by its deals'
          FROM points_offer o JOIN points_market m ON m.id = o.market_id LEFT JOIN (
               SELECT offer_hash, sum(units) AS units FROM (
                      SELECT offer_hash, units FROM escrow_deal WHERE chain_id = %(chain)s
                       UNION ALL
                      SELECT matched_offer_hash, units FROM escrow_deal
                       WHERE chain_id = %(chain)s AND matched_offer_hash IS NOT NULL) fills
                GROUP BY offer_hash) s ON s.offer_hash = o.offer_hash
         WHERE m.chain_id = %(chain)s AND o.filled_units <> coalesce(s.units, 0)
        """,
    ),
    Invariant(
        "markets.deals",
        "a market counts its deals",
        """
        SELECT encode(m.market_id, 'hex'), m.deal_count || ' counted, ' || count(d.id) || ' there'
          FROM points_market m LEFT JOIN escrow_deal d ON d.market_id = m.id
         WHERE m.chain_id = %(chain)s GROUP BY m.id HAVING m.deal_count <> count(d.id)
        """,
    ),
    Invariant(
        "markets.terms",
        "a market has settlement terms exactly while they are proposed or final",
        """
        SELECT encode(m.market_id, 'hex'), 'status ' || m.status || CASE WHEN t.id IS NULL THEN ', no terms' ELSE ', terms' END
          FROM points_market m JOIN escrow_marketrecord r ON r.market_id = m.id
          LEFT JOIN escrow_settlementterms t ON t.market_id = m.id
         WHERE m.chain_id = %(chain)s AND (m.status = 2) <> (t.id IS NOT NULL)
        """,
    ),
    Invariant(
        "rights.kept",
        "what the escrow keeps of a right for a user is what came in and has not gone out",
        """
        SELECT 'kept right ' || k.id, k.amount || ' stored, ' || coalesce(m.amount, 0) || ' by its movements'
          FROM escrow_keptright k LEFT JOIN (
               SELECT kept_id, sum(CASE WHEN incoming THEN amount ELSE -amount END) AS amount
                 FROM escrow_rightmovement GROUP BY kept_id) m ON m.kept_id = k.id
         WHERE k.chain_id = %(chain)s AND k.amount <> coalesce(m.amount, 0)
        """,
    ),
    Invariant(
        "rights.delivered",
        "what was delivered in a tranche of a deal in rights is its pieces",
        """
        SELECT encode(d.deal_id, 'hex') || ' ' || t.number, t.delivered || ' stored, ' || coalesce(p.amount, 0) || ' by its pieces'
          FROM escrow_dealtranche t JOIN escrow_deal d ON d.id = t.deal_id JOIN core_chain c ON c.id = d.chain_id
          JOIN points_market m ON m.id = d.market_id LEFT JOIN (
               SELECT deal_id, tranche, sum(amount) AS amount FROM escrow_deliveredright GROUP BY deal_id, tranche) p
            ON p.deal_id = d.id AND p.tranche = t.number
         WHERE d.chain_id = %(chain)s AND c.kind = 'rights' AND m.settlement = 0 AND t.delivered <> coalesce(p.amount, 0)
        """,
    ),
]

KEEPER = [
    Invariant(
        "intents.attempt",
        "a planned intent has no attempt, one that was sent has one of a signer of its chain, of one that is done or mined it succeeded",
        """
        SELECT i.key, i.state || ', attempt ' || coalesce(a.id::text, 'none') || ', succeeded '
               || coalesce(a.succeeded::text, 'unknown')
          FROM escrow_intent i LEFT JOIN escrow_attempt a ON a.id = i.attempt_id
          LEFT JOIN escrow_signer s ON s.id = a.signer_id
         WHERE i.chain_id = %(chain)s
           AND (i.state = 'planned' AND a.id IS NOT NULL
                OR i.state IN ('sent', 'mined', 'done')
                   AND s.chain_id IS DISTINCT FROM (SELECT c.chain_id FROM core_chain c WHERE c.id = i.chain_id)
                OR i.state IN ('mined', 'done') AND a.succeeded IS NOT TRUE)
        """,
    ),
    Invariant(
        "intents.done",
        "what is done has a receipt in a final, canonical block",
        """
        SELECT i.key, 'mined in block ' || coalesce(a.block_number::text, 'none')
               || ', final is ' || coalesce(k.final_number::text, 'none')
          FROM escrow_intent i JOIN escrow_attempt a ON a.id = i.attempt_id
          LEFT JOIN escrow_chaincursor k ON k.chain_id = i.chain_id
          LEFT JOIN escrow_block b ON b.chain_id = i.chain_id AND b.canonical AND b.number = a.block_number
         WHERE i.chain_id = %(chain)s AND i.state = 'done'
           AND (a.block_number IS NULL OR a.block_number > coalesce(k.final_number, -1) OR b.hash <> a.block_hash)
        """,
    ),
    Invariant(
        "nonces.gapless",
        "a signer has an attempt for each nonce from the first that is not final up to the next, and none above",
        """
        SELECT encode(s.address, 'hex'), count(DISTINCT a.nonce) || ' nonces from ' || s.final_nonce || ' to below '
               || s.next_nonce || ', highest ' || coalesce(max(a.nonce)::text, 'none')
          FROM escrow_signer s LEFT JOIN escrow_attempt a ON a.signer_id = s.id AND a.nonce >= s.final_nonce
         WHERE s.chain_id = (SELECT c.chain_id FROM core_chain c WHERE c.id = %(chain)s) AND s.next_nonce IS NOT NULL GROUP BY s.id
        HAVING count(DISTINCT a.nonce) <> s.next_nonce - s.final_nonce OR max(a.nonce) >= s.next_nonce
        """,
    ),
    Invariant(
        "nonces.once",
        "no two attempts at one nonce were mined",
        """
        SELECT encode(s.address, 'hex'), 'nonce ' || a.nonce || ' was mined ' || count(*) || ' times'
          FROM escrow_attempt a JOIN escrow_signer s ON s.id = a.signer_id
         WHERE s.chain_id = (SELECT c.chain_id FROM core_chain c WHERE c.id = %(chain)s) AND a.block_number IS NOT NULL GROUP BY s.id, a.nonce HAVING count(*) > 1
        """,
    ),
]

# (table, column, table referred to) of every reference for which the database has no foreign key (models.WrittenTogether).
REFERENCES = [
    ("escrow_block", "chain_id", "core_chain"),
    ("escrow_chainevent", "chain_id", "core_chain"),
    ("escrow_chainevent", "block_id", "escrow_block"),
    ("escrow_account", "chain_id", "core_chain"),
    ("escrow_transfer", "debit_id", "escrow_account"),
    ("escrow_transfer", "credit_id", "escrow_account"),
    ("escrow_transfer", "event_id", "escrow_chainevent"),
    ("escrow_deal", "chain_id", "core_chain"),
    ("escrow_deal", "opened_event_id", "escrow_chainevent"),
    ("escrow_deal", "closed_event_id", "escrow_chainevent"),
    ("escrow_dealtranche", "deal_id", "escrow_deal"),
]
DANGLING = [
    Invariant(
        "references",
        "what rows of the chain refer to exists",
        " UNION ALL ".join(
            f"SELECT '{table} ' || r.id, '{column} ' || r.{column} || ' refers to nothing' FROM {table} r"  # noqa: S608 - names of ours
            f" WHERE r.{column} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {target} t"
            f" WHERE t.id = r.{column})"
            for table, column, target in REFERENCES
        ),
        of_chain=False,
    ),
]

OUTBOX = [
    Invariant(
        "outbox.sequence",
        "the outbox rows of an aggregate count from 1 without a gap, in the order of their ids",
        """
        SELECT aggregate, 'sequence ' || sequence || ' at place ' || place FROM (
               SELECT aggregate, sequence, row_number() OVER (PARTITION BY aggregate ORDER BY id) AS place
                 FROM core_outboxevent) rows
         WHERE sequence <> place
        """,
        of_chain=False,
    ),
]

QUERIES = [*LEDGER, *READING, *PROJECTIONS, *KEEPER, *DANGLING, *OUTBOX]
