from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("deployments", "0007_line")]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="glass_broken",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="approval",
            name="alarm_due_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="approval",
            name="alarmed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
