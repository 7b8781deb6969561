"""The frame of every page asks by health, then by environment; SQLite sorted all healthy checks."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0007_list_indexes")]

    operations = [
        migrations.AddIndex(
            model_name="check",
            index=models.Index(
                fields=["health", "environment", "is_enabled"], name="check_health_of"
            ),
        ),
    ]
