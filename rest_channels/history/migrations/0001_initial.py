import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='HistoryGroup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=99, unique=True)),
                ('epoch', models.CharField(max_length=40)),
                ('last_offset', models.BigIntegerField(default=0)),
                ('writers', models.TextField(default='{}')),
                ('used_at', models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name='HistoryMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('offset', models.BigIntegerField()),
                ('text', models.TextField()),
                ('writer', models.CharField(blank=True, max_length=40)),
                ('number', models.BigIntegerField(default=0)),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('group', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='messages', to='rest_channels_history.historygroup')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('group', 'offset'), name='rest_channels_history_offset')],
            },
        ),
    ]
