"""Contents, the files that people made of them, and what uses each."""

from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None

TABLES = ("begun", "contents", "files", "uses")

STATEMENTS = (
    """
    CREATE TABLE begun (
        content_id UUID NOT NULL,
        begun_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        PRIMARY KEY (content_id)
    )
    """,
    """CREATE INDEX begun_at ON begun (begun_at)""",
    """
    CREATE TABLE contents (
        id UUID NOT NULL,
        source_sha256 BYTEA NOT NULL,
        sha256 BYTEA NOT NULL,
        content_type TEXT NOT NULL,
        size_bytes BIGINT NOT NULL,
        width INTEGER,
        height INTEGER,
        thumb_bytes BIGINT,
        medium_bytes BIGINT,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        PRIMARY KEY (id),
        UNIQUE (source_sha256)
    )
    """,
    """
    CREATE TABLE files (
        id UUID NOT NULL,
        content_id UUID NOT NULL,
        purpose TEXT NOT NULL,
        owner_id UUID NOT NULL,
        business_id UUID,
        conversation_id UUID,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        claimed_until TIMESTAMP WITH TIME ZONE,
        drop_at TIMESTAMP WITH TIME ZONE,
        PRIMARY KEY (id),
        CONSTRAINT known_purpose CHECK
            (purpose IN ('user_photo', 'business_image', 'chat_attachment', 'verification_document')),
        FOREIGN KEY(content_id) REFERENCES contents (id)
    )
    """,
    """CREATE INDEX files_of_content ON files (content_id)""",
    """CREATE INDEX files_of_owner ON files (owner_id, id)""",
    """CREATE INDEX files_to_drop ON files (drop_at) WHERE drop_at IS NOT NULL""",
    """
    CREATE TABLE uses (
        place TEXT NOT NULL,
        file_id UUID NOT NULL,
        PRIMARY KEY (place, file_id),
        FOREIGN KEY(file_id) REFERENCES files (id) ON DELETE CASCADE
    )
    """,
    """CREATE INDEX uses_of_file ON uses (file_id)""",
)


def upgrade() -> None:
    """Makes the tables and their indexes."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drops them again."""
    for table in reversed(TABLES):
        op.drop_table(table)
