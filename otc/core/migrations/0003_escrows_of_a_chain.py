import django.db.models.expressions
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


def numbers_are_keys_so_far(apps, schema_editor):
    apps.get_model("core", "Chain").objects.update(chain_id=models.F("id"))


class Migration(migrations.Migration):
    """A row of Chain becomes one escrow of a chain: its key and the chain's number part. Rows so far are of token escrows."""

    dependencies = [
        ("core", "0002_finality_in_data"),
    ]

    operations = [
        # Their bodies name the key's column.
        pgtrigger.migrations.RemoveTrigger(model_name="chain", name="insert_insert"),
        pgtrigger.migrations.RemoveTrigger(model_name="chain", name="update_update"),
        migrations.RenameField(model_name="chain", old_name="chain_id", new_name="id"),
        migrations.AlterField(
            model_name="chain",
            name="id",
            field=models.PositiveBigIntegerField(help_text="Given by `escrow_key`.", primary_key=True, serialize=False),
        ),
        migrations.AlterModelOptions(name="chain", options={"ordering": ["id"]}),
        migrations.AddField(model_name="chain", name="chain_id", field=models.PositiveBigIntegerField(null=True)),
        migrations.RunPython(numbers_are_keys_so_far, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="chain",
            name="chain_id",
            field=models.PositiveBigIntegerField(help_text="The chain's own number (EIP-155)."),
        ),
        migrations.AddField(
            model_name="chain",
            name="kind",
            field=models.CharField(
                choices=[("tokens", "Tokens"), ("rights", "Rights")], default="tokens", max_length=6
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='chain',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "core_chainchange" ("active", "check_blooms", "final_depth", "final_quorum", "finality", "halted", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "rpc_urls", "safe_depth") VALUES (NEW."active", NEW."check_blooms", NEW."final_depth", NEW."final_quorum", NEW."finality", NEW."halted", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."rpc_urls", NEW."safe_depth"); RETURN NULL;', hash='8799bce1e910b5e54687b1d9fa1c6c1bc5ebddee', operation='INSERT', pgid='pgtrigger_insert_insert_ebe8f', table='core_chain', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='chain',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."active" IS DISTINCT FROM (NEW."active") OR OLD."check_blooms" IS DISTINCT FROM (NEW."check_blooms") OR OLD."final_depth" IS DISTINCT FROM (NEW."final_depth") OR OLD."final_quorum" IS DISTINCT FROM (NEW."final_quorum") OR OLD."finality" IS DISTINCT FROM (NEW."finality") OR OLD."halted" IS DISTINCT FROM (NEW."halted") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."rpc_urls" IS DISTINCT FROM (NEW."rpc_urls") OR OLD."safe_depth" IS DISTINCT FROM (NEW."safe_depth"))', func='INSERT INTO "core_chainchange" ("active", "check_blooms", "final_depth", "final_quorum", "finality", "halted", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "rpc_urls", "safe_depth") VALUES (NEW."active", NEW."check_blooms", NEW."final_depth", NEW."final_quorum", NEW."finality", NEW."halted", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."rpc_urls", NEW."safe_depth"); RETURN NULL;', hash='d5a1f606f796a8decbd8c12f84c9117726b17ca1', operation='UPDATE', pgid='pgtrigger_update_update_f7a0b', table='core_chain', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='chain',
            constraint=models.UniqueConstraint(fields=('chain_id', 'kind'), name='chain_escrow_once'),
        ),
        migrations.AddConstraint(
            model_name='chain',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('id', models.F('chain_id')), ('kind', 'tokens')), models.Q(('id', django.db.models.expressions.CombinedExpression(models.F('chain_id'), '+', models.Value(10000000000000000))), ('kind', 'rights')), _connector='OR'), name='chain_key_of_its_escrow'),
        ),
    ]
