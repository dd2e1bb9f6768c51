import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import otc.core.fields


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0001_initial"),
        ("escrow", "0004_checks"),
    ]

    operations = [
        # The chain's own number takes the place of the reference: the column and what it holds stay.
        migrations.RemoveConstraint(model_name="signer", name="signer_once"),
        migrations.AlterField(
            model_name="signer",
            name="chain",
            field=models.PositiveBigIntegerField(help_text="The chain's own number (EIP-155)."),
        ),
        migrations.RenameField(model_name="signer", old_name="chain", new_name="chain_id"),
        migrations.AddConstraint(
            model_name="signer",
            constraint=models.UniqueConstraint(fields=("chain_id", "address"), name="signer_once"),
        ),
        migrations.AddField(
            model_name="intent",
            name="wait_until",
            field=models.PositiveBigIntegerField(
                help_text="Chain time before which it is not tried: the seller has nothing to deliver, or his token refuses.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="signer",
            name="balance",
            field=otc.core.fields.Uint256Field(help_text="Wei, when the node was last asked.", null=True),
        ),
        migrations.AlterField(
            model_name="intent",
            name="action",
            field=models.CharField(
                choices=[
                    ("slash", "Slash"),
                    ("refund", "Refund"),
                    ("finalize", "Finalize"),
                    ("timeout", "Timeout"),
                    ("deliver", "Deliver"),
                    ("rest", "Rest"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddIndex(
            model_name="deal",
            index=models.Index(
                condition=models.Q(("outcome", 0), ("phase__gt", 0)),
                fields=["chain", "phase_until"],
                name="deal_open_by_until",
            ),
        ),
        migrations.AddIndex(
            model_name="intent",
            index=models.Index(condition=models.Q(("state", "failed")), fields=["chain", "id"], name="intent_failed"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="intent",
            trigger=pgtrigger.compiler.Trigger(
                name="intent_steps",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."state", \':\', NEW."state") = ANY(\'{planned:sent,planned:moot,planned:failed,sent:mined,sent:done,sent:planned,sent:failed,mined:sent,mined:done,mined:planned,mined:failed,moot:planned,failed:planned}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."state" IS DISTINCT FROM NEW."state") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "state" from "%" to "%" on table %\', OLD."state", NEW."state", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="b8938eda813db9da10a64a86d4353de287ed61d1",
                    operation="UPDATE",
                    pgid="pgtrigger_intent_steps_421d1",
                    table="escrow_intent",
                    when="BEFORE",
                ),
            ),
        ),
    ]
