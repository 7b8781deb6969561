import django.db.models.deletion
from django.db import migrations, models


def name_places(apps, schema_editor):
    firings = apps.get_model("deployments", "Firing").objects.using(schema_editor.connection.alias)
    schedules = apps.get_model("deployments", "Schedule").objects.filter(
        pk=models.OuterRef("schedule")
    )
    firings.update(environment=models.Subquery(schedules.values("environment")[:1]))


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0011_newest_of_each"),
        ("environments", "0007_setup_checks"),
    ]

    operations = [
        migrations.AddField(
            model_name="firing",
            name="environment",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="environments.environment",
            ),
        ),
        migrations.RunPython(name_places, migrations.RunPython.noop),
    ]
