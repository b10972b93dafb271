"""Conversations, what is written in them, and how far each member has read."""

from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None

TABLES = (
    "blocks",
    "conversations",
    "shop_settings",
    "shops",
    "marks",
    "messages",
    "reports",
    "waiting",
)

STATEMENTS = (
    """
    CREATE TABLE blocks (
        business_id UUID NOT NULL,
        client_id UUID NOT NULL,
        side TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        PRIMARY KEY (business_id, client_id, side),
        CONSTRAINT known_side CHECK (side IN ('business', 'client'))
    )
    """,
    """CREATE INDEX blocks_of_client ON blocks (client_id)""",
    """
    CREATE TABLE conversations (
        id UUID NOT NULL,
        business_id UUID NOT NULL,
        client_id UUID NOT NULL,
        client_name TEXT,
        last_seq INTEGER DEFAULT '0' NOT NULL,
        version BIGINT DEFAULT '0' NOT NULL,
        last_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        away_told_at TIMESTAMP WITH TIME ZONE,
        PRIMARY KEY (id),
        CONSTRAINT one_conversation_each UNIQUE (business_id, client_id)
    )
    """,
    """CREATE INDEX conversations_changed ON conversations (changed_at)""",
    """CREATE INDEX conversations_of_business ON conversations (business_id, last_at, id)""",
    """CREATE INDEX conversations_of_client ON conversations (client_id, last_at, id)""",
    """
    CREATE TABLE shop_settings (
        business_id UUID NOT NULL,
        greeting TEXT,
        away_message TEXT,
        quick_replies TEXT[] DEFAULT '{}' NOT NULL,
        keep_days INTEGER,
        PRIMARY KEY (business_id)
    )
    """,
    """
    CREATE TABLE shops (
        id UUID NOT NULL,
        version INTEGER NOT NULL,
        name TEXT NOT NULL,
        timezone TEXT NOT NULL,
        owner_id UUID NOT NULL,
        people UUID[] NOT NULL,
        is_open BOOLEAN NOT NULL,
        PRIMARY KEY (id)
    )
    """,
    """CREATE INDEX shops_people ON shops USING gin (people)""",
    """
    CREATE TABLE marks (
        conversation_id UUID NOT NULL,
        user_id UUID NOT NULL,
        read_seq INTEGER DEFAULT '0' NOT NULL,
        delivered_seq INTEGER DEFAULT '0' NOT NULL,
        version BIGINT DEFAULT '0' NOT NULL,
        PRIMARY KEY (conversation_id, user_id),
        FOREIGN KEY(conversation_id) REFERENCES conversations (id)
    )
    """,
    """CREATE INDEX marks_of_user ON marks (user_id)""",
    """
    CREATE TABLE messages (
        conversation_id UUID NOT NULL,
        seq INTEGER NOT NULL,
        id UUID NOT NULL,
        sender_id UUID,
        kind TEXT NOT NULL,
        text TEXT,
        facts JSONB,
        client_message_id TEXT,
        sent_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (conversation_id, seq),
        CONSTRAINT sent_once UNIQUE (conversation_id, sender_id, client_message_id),
        CONSTRAINT known_kind CHECK (kind IN ('person', 'automatic', 'system')),
        FOREIGN KEY(conversation_id) REFERENCES conversations (id),
        UNIQUE (id)
    )
    """,
    """CREATE INDEX messages_of_sender ON messages (sender_id)""",
    """CREATE INDEX messages_words ON messages USING gin (to_tsvector('simple', coalesce(text, '')))""",
    """
    CREATE TABLE reports (
        id UUID NOT NULL,
        conversation_id UUID NOT NULL,
        user_id UUID NOT NULL,
        reason TEXT NOT NULL,
        seq INTEGER,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        PRIMARY KEY (id),
        FOREIGN KEY(conversation_id) REFERENCES conversations (id)
    )
    """,
    """CREATE INDEX reports_created_at ON reports (created_at, id)""",
    """CREATE INDEX reports_of_reporter ON reports (user_id)""",
    """
    CREATE TABLE waiting (
        conversation_id UUID NOT NULL,
        user_id UUID NOT NULL,
        seq INTEGER NOT NULL,
        due_at TIMESTAMP WITH TIME ZONE NOT NULL,
        told BOOLEAN DEFAULT 'false' NOT NULL,
        PRIMARY KEY (conversation_id, user_id),
        FOREIGN KEY(conversation_id) REFERENCES conversations (id)
    )
    """,
    """CREATE INDEX waiting_due ON waiting (due_at) WHERE NOT told""",
    """CREATE INDEX waiting_of_user ON waiting (user_id)""",
)


def upgrade() -> None:
    """Makes the tables and their indexes."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drops them again."""
    for table in reversed(TABLES):
        op.drop_table(table)
